"""The template's parameters, and the options of ``drbdsetup`` that they become."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import ECODE_INVAL, BlockDeviceError, OpPrereqError

if TYPE_CHECKING:
    from ganeti_core.plugin_api import DiskSpec

BARRIERS = ("n", "b", "d", "f", "bd", "bf", "df", "bdf")
"""What can be switched off: barriers, draining, flushes; ``n`` for none of them."""
_SWITCHES = {"b": "--disk-barrier=no", "d": "--disk-drain=no", "f": "--disk-flushes=no"}
HMAC = "md5"
"""How the two nodes prove that they know the disk's secret; every kernel has it."""
FENCE_SECONDS = 60
"""How long writes wait for the master by default."""


def _of(kind: str, default: Any, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "default": default, "description": description, **more}


def _speed(default: int, description: str, least: int) -> dict[str, Any]:
    return _of("integer", default, description, minimum=least, maximum=4194304)


PARAMETERS: dict[str, Any] = {"type": "object", "properties": {
    "resync-rate": _speed(61440, "Synchronize with so many KiB/s, unless dynamic-resync is set", 1),
    "dynamic-resync": _of("boolean", False, "Adapt the speed of synchronization to what the disks"
                          " and the network can do; the c- parameters say how"),
    "c-plan-ahead": _of("integer", 20, "How far ahead the speed is planned, tenths of a second; it"
                        " should be several times the round-trip time", minimum=1, maximum=300),
    "c-fill-target": _of("integer", 0, "How much is to be under way, sectors; 0: c-delay-target"
                         " decides", minimum=0, maximum=1048576),
    "c-delay-target": _of("integer", 1, "How late an acknowledgment may be, tenths of a second",
                          minimum=1, maximum=100),
    "c-max-rate": _speed(61440, "Never synchronize faster, KiB/s", 250),
    "c-min-rate": _speed(4096, "Slow down for the guest's own writes, but not below, KiB/s", 0),
    "disk-barriers": _of("string", "n", "What is not used to order writes: any of b (barriers), d"
                         " (draining), f (flushes), or n; only with a battery behind the disks",
                         enum=list(BARRIERS)),
    "meta-barriers": _of("boolean", False, "Do not flush DRBD's own notes; only with a battery"
                         " behind the disks"),
    "protocol": _of("string", "C", "When a write is done: C, the other node has it on disk; B, it"
                    " has it in memory; A, it is on the way there", enum=["A", "B", "C"]),
    "fencing": _of("boolean", True, "When the other node is lost, let writes wait until the"
                   " cluster has in writing that the copy there is left behind; only where the"
                   " kernel module calls ganeti-drbd-helper"),
    "fence-timeout": _of("integer", FENCE_SECONDS, "After how many seconds writes go on although"
                         " the master could not be told; 0: they wait until it is told, or the"
                         " other node is back", minimum=0, maximum=86400),
    "disk-custom": _of("string", "", "Further options of drbdsetup attach"),
    "net-custom": _of("string", "", "Further options of drbdsetup connect"),
    "data-stripes": _of("integer", 1, "Over how many physical volumes the data are spread",
                        minimum=1),
    "meta-stripes": _of("integer", 1, "Over how many physical volumes DRBD's notes are spread",
                        minimum=1),
    "metavg": _of("string", "", "The volume group of DRBD's notes; empty: the one of the volumes'"
                  " template"),
    "vg": {"type": "string", "x-disk": True, "description": "The volume group of the data"},
}}

SETTINGS: dict[str, Any] = {"type": "object", "properties": {
    "drbd_usermode_helper": _of("string", "/bin/true", "The program that the kernel module calls:"
                                " its parameter usermode_helper on each node must be the same"),
    "drbd_volume_template": _of("string", "plain", "The disk template of the volumes that new"
                                " disks lie on; its open disks must be block devices"),
}, "required": ["drbd_usermode_helper", "drbd_volume_template"]}


def attach_options(disk: DiskSpec, *, fences: bool) -> list[str]:
    """Return how the kernel is to use the two volumes.

    :param fences: writes wait when the peer is lost, see `fencing_options`
    :raises BlockDeviceError: ``disk-custom`` cannot be read
    """
    params = disk.params
    barriers = str(params.get("disk-barriers", "n"))
    options = ["--on-io-error=detach", f"--size={disk.size}m",
               *(fencing_options(fences=True) if fences else ()),
               *(_SWITCHES[one] for one in barriers if one in _SWITCHES)]
    if params.get("meta-barriers"):
        options.append("--md-flushes=no")
    return [*options, *_custom(disk, "disk-custom")]


def fencing_options(*, fences: bool) -> list[str]:
    """Return whether writes wait, when the peer is lost, until the helper of the kernel has ended.
    """
    return [f"--fencing={'resource-and-stonith' if fences else 'dont-care'}"]


def speed_options(disk: DiskSpec) -> list[str]:
    """Return how fast the kernel is to synchronize."""
    params = disk.params
    if not params.get("dynamic-resync"):
        # 0 switches the controller off, which otherwise ignores the rate.
        return [f"--resync-rate={params.get('resync-rate', 61440)}k", "--c-plan-ahead=0"]
    values = {name: params.get(name, PARAMETERS["properties"][name]["default"])
              for name in ("c-plan-ahead", "c-fill-target", "c-delay-target", "c-max-rate",
                           "c-min-rate")}
    units = {"c-fill-target": "s", "c-max-rate": "k", "c-min-rate": "k"}
    return [f"--{name}={value}{units.get(name, '')}" for name, value in values.items()]


def connect_options(disk: DiskSpec, *, both: bool) -> list[str]:
    """Return how the two nodes are to talk to each other.

    :param both: both write to the disk
    :raises BlockDeviceError: ``net-custom`` cannot be read
    """
    return [*sharing_options(disk, both=both), "--after-sb-0pri=discard-zero-changes",
            "--after-sb-1pri=consensus", f"--cram-hmac-alg={HMAC}",
            f"--shared-secret={disk.granted['secret']}", *_custom(disk, "net-custom")]


def sharing_options(disk: DiskSpec, *, both: bool) -> list[str]:
    """Return what changes when both nodes write: then no write may be only on its way."""
    protocol = "C" if both else str(disk.params.get("protocol", "C"))
    return [f"--protocol={protocol}", f"--allow-two-primaries={'yes' if both else 'no'}"]


def check(options: dict[str, Any], params: dict[str, Any]) -> None:
    """:raises OpPrereqError: a parameter that is a text for drbdsetup cannot be read"""
    for name in ("disk-custom", "net-custom"):
        text = str(options.get(name, params.get(name, "")))
        try:
            words = shlex.split(text)
        except ValueError as exc:
            raise OpPrereqError(f"{name} {text!r}: {exc}", ECODE_INVAL) from exc
        if any(word.startswith("--fencing") for word in words):
            raise OpPrereqError(f"{name}: the option --fencing is set by the parameter fencing",
                                ECODE_INVAL)
        if words and not words[0].startswith("-"):
            raise OpPrereqError(f"{name} {text!r} must be options of drbdsetup, such as "
                                "--ping-timeout=10", ECODE_INVAL)


def _custom(disk: DiskSpec, name: str) -> list[str]:
    text = str(disk.params.get(name, ""))
    try:
        return shlex.split(text)
    except ValueError as exc:
        raise BlockDeviceError(
            f"disk {disk.index} of {disk.instance}: {name} {text!r} cannot be read: {exc}") from exc
