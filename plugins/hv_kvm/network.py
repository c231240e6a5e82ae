"""Tap devices: the host's end of a guest's network cards.

A tap device that is not made persistent lives as long as a descriptor of it is open, so it goes
with its QEMU, however that ends: there is nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    CommandFailed,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    run_command,
)

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
INTERFACE_REQUEST = "16sH22x"
COMMAND_LIMIT = 10.0
INTERFACES = Path("/sys/class/net")


@contextmanager
def taps(instance: InstanceSpec, hvparams: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Open a tap device per NIC, attached to its bridge; descriptors by NIC's uuid.

    They are closed at the end: QEMU has inherited them by then.

    :raises HypervisorError: this node cannot give the NIC what it asks; no device is left
    """
    with ExitStack() as stack:
        found: dict[str, int] = {}
        for nic in instance.nics:
            descriptor, name = _open_tap(nic, offload=_wants_offload(hvparams))
            stack.callback(os.close, descriptor)
            _attach(nic, name)
            found[nic.uuid] = descriptor
        yield found


def problem(nic: NicSpec) -> str:
    """Tell why `nic` cannot be had on this node; empty when it can."""
    what = f"NIC {nic.index} ({nic.mac})"
    if nic.mode != "bridged":
        return f"{what}: mode {nic.mode} is not supported, only bridged"
    if nic.vlan:
        return f"{what}: a VLAN ({nic.vlan}) needs Open vSwitch, which is not supported"
    if not (INTERFACES / nic.link / "bridge").is_dir() or "/" in nic.link:
        return f"{what}: there is no bridge {nic.link or '(no link given)'} on this node"
    if os.geteuid() != 0:
        return f"{what}: tap devices need root; run the node daemon as root or use no NICs"
    return ""


def _wants_offload(hvparams: Mapping[str, Any]) -> bool:
    return bool(hvparams["vnet_hdr"]) and hvparams["nic_type"] == "paravirtual"


def _open_tap(nic: NicSpec, offload: bool) -> tuple[int, str]:
    if why := problem(nic):
        raise HypervisorError(why)
    flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if offload else 0)
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        raise HypervisorError(f"cannot open /dev/net/tun: {exc.strerror}") from exc
    try:
        # The kernel fills in the number: no two guests can want the same name.
        answer = fcntl.ioctl(
            descriptor, TUNSETIFF, struct.pack(INTERFACE_REQUEST, b"gnttap%d", flags))
    except OSError as exc:
        os.close(descriptor)
        raise HypervisorError(
            f"NIC {nic.index}: cannot make a tap device: {exc.strerror}") from exc
    name: bytes = struct.unpack(INTERFACE_REQUEST, answer)[0]
    return descriptor, name.rstrip(b"\0").decode()


def _attach(nic: NicSpec, tap: str) -> None:
    try:
        mtu = (INTERFACES / nic.link / "mtu").read_text().strip()
        run_command(["ip", "link", "set", "dev", tap, "mtu", mtu], timeout=COMMAND_LIMIT)
        run_command(["ip", "link", "set", "dev", tap, "master", nic.link, "up"],
                    timeout=COMMAND_LIMIT)
    except (CommandFailed, OSError) as exc:
        raise HypervisorError(
            f"NIC {nic.index}: cannot attach {tap} to bridge {nic.link}: {exc}") from exc
