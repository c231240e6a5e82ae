"""What a client asks of an instance's hardware, checked and turned into configuration objects."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, ECODE_NORES, OpPrereqError
from ganeti_core.model import Nic, new_uuid
from ganeti_core.operations.parameters import mebibytes
from ganeti_core.plugin_api.data import DiskRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.operations.context import OpContext

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NIC_KEYS = frozenset({"mac", "ip", "mode", "link", "vlan", "network", "name", "bridge"})
_NIC_MODES = ("bridged", "routed", "openvswitch")
MOST_DISKS = 16
MOST_NICS = 8
SMALLEST_DISK = 1


def nics(ctx: OpContext, asked: Sequence[Mapping[str, Any]]) -> tuple[Nic, ...]:
    """Make the network cards that were asked for; MACs are set aside for the job.

    :raises OpPrereqError: an address or a mode is wrong, or taken
    """
    if len(asked) > MOST_NICS:
        raise OpPrereqError(f"At most {MOST_NICS} network cards are possible", ECODE_INVAL)
    return tuple(_nic(ctx, index, nic) for index, nic in enumerate(asked))


def _nic(ctx: OpContext, index: int, asked: Mapping[str, Any]) -> Nic:
    if not isinstance(asked, dict):
        raise OpPrereqError(f"Invalid description of network card {index}", ECODE_INVAL)
    for key in asked:
        if key not in _NIC_KEYS:
            raise OpPrereqError(f"Unknown parameter '{key}' of network card {index}", ECODE_INVAL)
    given = {key: value for key, value in asked.items() if value not in (None, "none", "default")}
    params = {key: given[key] for key in ("mode", "link", "vlan") if key in given}
    if "bridge" in given:
        params["link"] = given["bridge"]
    if params.get("mode", "bridged") not in _NIC_MODES:
        raise OpPrereqError(f"Invalid NIC mode '{params['mode']}', expected one of "
                            f"{', '.join(_NIC_MODES)}", ECODE_INVAL)
    network = given.get("network")
    if network is not None:
        found = ctx.snapshot.find("network", network)
        if found is None:
            raise OpPrereqError(f"Network '{network}' not found", ECODE_NOENT)
        network = found.uuid
    return Nic(uuid=new_uuid(), mac=_mac(ctx, given.get("mac")), ip=_ip(given.get("ip")),
               name=given.get("name"), network=network, nicparams=params)


def _mac(ctx: OpContext, asked: str | None) -> str:
    reservations = ctx.services.reservations
    if asked in (None, "auto", "generate"):
        return reservations.mac(ctx.snapshot.cluster.mac_prefix, ctx.owner)
    mac = str(asked).lower()
    if not _MAC.fullmatch(mac):
        raise OpPrereqError(f"Invalid MAC address '{asked}'", ECODE_INVAL)
    reservations.reserve("mac", mac, ctx.owner)
    return mac


def _ip(asked: str | None) -> str | None:
    if asked is None:
        return None
    try:
        return str(ipaddress.ip_address(asked))
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IP address '{asked}'", ECODE_INVAL) from exc


def disk_requests(
    name: str, asked: Sequence[Mapping[str, Any]], *, no_disks: bool
) -> list[DiskRequest]:
    """Check the disks that were asked for; no plugin has planned them yet.

    :raises OpPrereqError: a size or mode is wrong, or there are disks where none may be
    """
    if no_disks:
        if asked:
            raise OpPrereqError("Diskless instances cannot have disks", ECODE_INVAL)
        return []
    if not asked:
        raise OpPrereqError("No disk information specified", ECODE_INVAL)
    if len(asked) > MOST_DISKS:
        raise OpPrereqError(f"At most {MOST_DISKS} disks are possible", ECODE_INVAL)
    return [_disk_request(name, index, disk) for index, disk in enumerate(asked)]


def _disk_request(name: str, index: int, asked: Mapping[str, Any]) -> DiskRequest:
    if not isinstance(asked, dict):
        raise OpPrereqError(f"Invalid description of disk {index}", ECODE_INVAL)
    options = dict(asked)
    if "size" not in options:
        raise OpPrereqError(f"Missing disk size for disk {index}", ECODE_INVAL)
    size = mebibytes(options.pop("size"), f"disk {index}")
    if size < SMALLEST_DISK:
        raise OpPrereqError(f"Disk {index} must have at least {SMALLEST_DISK} MiB", ECODE_INVAL)
    mode = options.pop("mode", "rw")
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    label = options.pop("name", None)
    spindles = options.pop("spindles", None)
    return DiskRequest(
        new_uuid(), index, size, name, "ro" if mode == "ro" else "rw",
        None if label in (None, "none", "") else str(label),
        None if spindles is None else int(spindles), options)


def check_policy(
    policy: Mapping[str, Any], beparams: Mapping[str, Any], template: str,
    counts: tuple[Sequence[int], int],
) -> None:
    """Check an instance against the limits of its node group.

    :param counts: the sizes of its disks, and the number of its network cards
    :raises OpPrereqError: it lies outside every allowed range (`ECODE_NORES`)
    """
    sizes, cards = counts
    if template not in policy["disk-templates"]:
        raise OpPrereqError(f"Instance allocation to group violates policy: disk template "
                            f"'{template}' is not allowed", ECODE_INVAL)
    have: dict[str, list[int]] = {
        "memory-size": [beparams["minmem"], beparams["maxmem"]], "cpu-count": [beparams["vcpus"]],
        "disk-count": [len(sizes)], "disk-size": list(sizes), "nic-count": [cards],
        "spindle-use": [beparams["spindle_use"]]}
    ranges = policy.get("minmax") or []
    problems = [_outside(have, limits) for limits in ranges]
    if ranges and all(problems):
        raise OpPrereqError(
            "Instance allocation to group violates policy: " + "; ".join(problems[0]), ECODE_NORES)


def _outside(have: Mapping[str, Sequence[int]], limits: Mapping[str, Any]) -> list[str]:
    low, high = limits["min"], limits["max"]
    return [
        f"{name} value {value} is not in range [{low[name]}, {high[name]}]"
        for name, values in have.items() for value in values
        if name in low and not low[name] <= value <= high[name]]
