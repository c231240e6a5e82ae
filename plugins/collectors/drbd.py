"""Collector ``drbd``: how the mirrored devices of the node stand.

Data and codes are those of Ganeti's collector: 0 all is well, 1 a connection is being made again, 4
somebody has to look. Which instance a device is of is asked of the cluster's confds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, GanetiError, HookContext, hookimpl
from ganeti_core.plugin_api.confd import node_minors
from ganeti_core.plugin_api.data import Collected, Metric, Report

from .clock import PROC

OK, RECOVERING, UNKNOWN, BAD = 0, 1, 2, 4
UNCONFIGURED = "Unconfigured"
_COMMUNICATION = (RECOVERING, "Communication problems between the peers")
_CONNECTING = (RECOVERING, "Trying to establish a network connection")
STATES = {
    "StandAlone": (BAD, "No network config available"),
    "Disconnecting": (BAD, "The peer is being disconnected"),
    "TearDown": (BAD, "The peer is closing the connection"),
    "Unconnected": _CONNECTING, "WFConnection": _CONNECTING, "WFReportParams": _CONNECTING,
    "Timeout": _COMMUNICATION, "BrokenPipe": _COMMUNICATION, "NetworkFailure": _COMMUNICATION,
    "ProtocolError": _COMMUNICATION,
    **dict.fromkeys(("Connected", "StartingSyncS", "StartingSyncT", "WFBitMapS", "WFBitMapT",
                     "WFSyncUUID", "SyncSource", "SyncTarget", "PausedSyncS", "PausedSyncT",
                     "VerifyS", "VerifyT", UNCONFIGURED), (OK, ""))}
"""What each state of a connection means."""
FIGURES = {
    "ns": "networkSend", "nr": "networkReceive", "dw": "diskWrite", "dr": "diskRead",
    "al": "activityLog", "bm": "bitMap", "lo": "localCount", "pe": "pending",
    "ua": "unacknowledged", "ap": "applicationPending", "ep": "epochs", "wo": "writeOrder",
    "oos": "outOfSync"}
"""Ganeti's names of the kernel's figures; KiB, where they are amounts."""
_UNITS = {"K": "KiloByte", "M": "MegaByte"}

_VERSION = re.compile(r"version:\s*(\S+)(?:\s*\(api:([^/]+)/proto:([^)]+)\))?")
_BUILD = re.compile(r"GIT-hash:\s*(\S+)\s+build by\s+(.*)")
_DEVICE = re.compile(r"\s*(\d+):\s+cs:(\w+)(?:\s+(?:ro|st):(\w+)/(\w+)\s+ds:(\w+)/(\w+)\s+"
                     r"(?:([ABC])\s+)?(\S+))?")
_FIGURE = re.compile(r"(\w+):(\w+)")
_SYNC = re.compile(r"sync'ed:\s*([\d.]+)%\s*\((\d+)/(\d+)\)([KM]?)")
_FINISH = re.compile(r"finish:\s*(\d+):(\d+):(\d+)\s+speed:\s*([\d,]+)\s*\([\d,]+\)"
                     r"(?:\s+want:\s*([\d,]+))?\s*([KM])/sec")

_LABELS = ("minor", "instance")
STATUS = Metric("ganeti_drbd_status", "gauge",
                "How a mirrored device stands: 0 well, 1 being repaired, 2 unknown, 4 bad", _LABELS)
BEHIND = Metric("ganeti_drbd_out_of_sync_bytes", "gauge",
                "What of a mirrored device differs from its other copy", _LABELS)
PROGRESS = Metric("ganeti_drbd_sync_ratio", "gauge",
                  "Share of a mirrored device that has been copied to the other node", _LABELS)


@dataclass(frozen=True)
class DrbdStatus:
    """:param proc: where the kernel's figures are; `pairing`: minor → instance, on this node"""

    proc: Path = PROC
    pairing: Callable[[HookContext], Mapping[int, str]] = (
        lambda ctx: {minor: instance for minor, instance, *_ in node_minors(ctx)})

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "How the mirrored devices stand", category="storage", report_kind=1,
                           interval=10.0, metrics=(STATUS, BEHIND, PROGRESS))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        try:
            text = (self.proc / "drbd").read_text()
        except FileNotFoundError:
            # The module is not loaded: there is no such device.
            return Collected(Report({
                "status": {"code": OK, "message": ""}, "versionInfo": {}, "deviceInfos": []}))
        version, devices = parse(text)
        configured = [one for one in devices if one["connectionState"] != UNCONFIGURED]
        instances = self._instances(ctx) if configured else {}
        for one in configured:
            one["instance"] = instances.get(one["minor"])
        return Collected(Report(
            {"status": status_of(version, devices), "versionInfo": version,
             "deviceInfos": devices}, samples=_samples(configured)))

    def _instances(self, ctx: HookContext) -> Mapping[int, str]:
        try:
            return self.pairing(ctx)
        except GanetiError as exc:
            ctx.log.info("which instances the devices are of is not known: %s", exc)
            return {}


def parse(text: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Read ``/proc/drbd``: the version, and a dict per device."""
    version: dict[str, str] = {}
    devices: list[dict[str, Any]] = []
    for line in text.splitlines():
        if (found := _DEVICE.match(line)) is not None:
            devices.append(_device(found))
        elif (found := _VERSION.match(line)) is not None:
            version |= _named(("version", "api", "proto"), found)
        elif (found := _BUILD.match(line)) is not None:
            version |= _named(("gitHash", "buildBy"), found)
        elif devices and "perfIndicators" in devices[-1]:
            _add(devices[-1], line)
    return version, devices


def _named(names: tuple[str, ...], found: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in zip(names, found.groups(), strict=True) if value}


def _device(found: re.Match[str]) -> dict[str, Any]:
    minor, state, role, other_role, disk, other_disk, protocol, flags = found.groups()
    if role is None:
        return {"minor": int(minor), "connectionState": state}
    return {
        "minor": int(minor), "connectionState": state, "localRole": role,
        "remoteRole": other_role, "localState": disk, "remoteState": other_disk,
        "replicationProtocol": protocol or " ", "ioFlags": flags, "perfIndicators": {}}


def _add(device: dict[str, Any], line: str) -> None:
    """Take what a further line says of a device."""
    if (found := _SYNC.search(line)) is not None:
        percent, partial, total, unit = found.groups()
        device["syncStatus"] = {"percentage": float(percent), "progress": f"{partial}/{total}",
                                "progressUnit": _UNITS.get(unit, unit)}
    elif (found := _FINISH.search(line)) is not None:
        hours, minutes, seconds, speed, want, unit = found.groups()
        device.setdefault("syncStatus", {}).update({
            "timeToFinish": f"{int(hours):02}:{int(minutes):02}:{int(seconds):02}",
            "speed": int(speed.replace(",", "")),
            **({"want": int(want.replace(",", ""))} if want else {}),
            "speedUnit": f"{_UNITS[unit]}/Second"})
    else:
        device["perfIndicators"] |= {
            FIGURES[key]: int(value) if value.isdigit() else value
            for key, value in _FIGURE.findall(line) if key in FIGURES}


def status_of(version: Mapping[str, str], devices: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst of all devices, with what is the matter with each."""
    if not devices and int(version.get("version", "8").partition(".")[0]) >= 9:
        return {"code": UNKNOWN, "message": f"DRBD {version['version']} does not list its devices "
                                            "in /proc/drbd"}
    found = [(one["minor"], *_meaning(one)) for one in devices]
    return {"code": max((code for _, code, _ in found), default=OK),
            "message": "\n".join(f"{minor}: {text}" for minor, _, text in found if text)}


def _meaning(device: Mapping[str, Any]) -> tuple[int, str]:
    state = device["connectionState"]
    return STATES.get(state, (UNKNOWN, f"Unknown connection state {state}"))


def _samples(devices: list[dict[str, Any]]) -> dict[str, list[list[Any]]]:
    samples: dict[str, list[list[Any]]] = {STATUS.name: [], BEHIND.name: [], PROGRESS.name: []}
    for one in devices:
        labels = [str(one["minor"]), one["instance"] or ""]
        samples[STATUS.name].append([*labels, _meaning(one)[0]])
        if isinstance(behind := one["perfIndicators"].get("outOfSync"), int):
            samples[BEHIND.name].append([*labels, behind << 10])
        if "percentage" in one.get("syncStatus", {}):
            samples[PROGRESS.name].append([*labels, one["syncStatus"]["percentage"] / 100])
    return samples
