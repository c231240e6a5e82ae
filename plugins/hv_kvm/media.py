"""Drives for CDs and floppies, and the controllers that SCSI devices need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganeti_core.plugin_api import HypervisorError, InstanceSpec

from . import devices
from .uris import protocol_node

CD_DEVICES = {"": "ide-cd", "ide": "ide-cd", "paravirtual": "virtio-blk-pci", "scsi-cd": "scsi-cd"}
CDS = {"cdrom_image_path": "cdrom", "cdrom2_image_path": "cdrom2"}
"""The parameter that names its image, and the name, of each CD drive."""
IDE_PLACES = 4


def controllers(instance: InstanceSpec) -> list[str]:
    """The SCSI controller, where there is something that needs it."""
    params = instance.hvparams
    has_cd = params["cdrom_disk_type"] == "scsi-cd" and any(params[image] for image in CDS)
    if not has_cd and not (params["disk_type"] == "scsi-hd" and instance.disks):
        return []
    return ["-device", f"{devices.SCSI_CONTROLLERS[params['scsi_controller_type']]},id=scsi"]


def drives(instance: InstanceSpec) -> list[str]:
    """The drives for CDs and floppies with what lies in them.

    :raises HypervisorError: there is no place for one
    """
    params, words = instance.hvparams, []
    _check_ide(instance)
    boots = params["boot_order"] if not params["kernel_path"] else ""
    for image, name in CDS.items():
        if params[image]:
            device: devices.Options = {
                "driver": CD_DEVICES[params["cdrom_disk_type"]], "id": f"{name}-drive",
                "drive": name, **_place(params, name)}
            if boots == "cdrom" and name == "cdrom":
                device["bootindex"] = 1
            words += _drive(params[image], device, read_only=True)
    if params["floppy_image_path"]:
        device = {"driver": "floppy", "id": "floppy-drive", "drive": "floppy"}
        words += _drive(params["floppy_image_path"], device, read_only=False)
        if boots == "floppy":
            words += ["-global", "isa-fdc.bootindexA=1"]
    return words


def _place(params: Mapping[str, Any], name: str) -> devices.Options:
    """The last places of IDE, in which there are no disks before the third."""
    if CD_DEVICES[params["cdrom_disk_type"]] != "ide-cd":
        return {}
    unit = list(CDS.values()).index(name)
    return {"bus": f"ide.{unit}"} if devices.is_q35(params) else {"bus": "ide.1", "unit": unit}


def _check_ide(instance: InstanceSpec) -> None:
    params = instance.hvparams
    if params["disk_type"] != "ide":
        return
    is_ide = CD_DEVICES[params["cdrom_disk_type"]] == "ide-cd"
    drives = [2 + unit for unit, image in enumerate(CDS) if is_ide and params[image]]
    if any(disk.index >= IDE_PLACES or disk.index in drives for disk in instance.disks):
        raise HypervisorError(
            f"{len(instance.disks)} disks and {len(drives)} CD drives do not fit: there are "
            f"{IDE_PLACES} places for IDE, the last two of them for CDs; use another disk_type or "
            "cdrom_disk_type")


def _drive(image: str, device: devices.Options, *, read_only: bool) -> list[str]:
    protocol = protocol_node(image) if "://" in image else {"driver": "file", "filename": image}
    node = {"driver": "raw", "node-name": device["drive"], "read-only": read_only,
            "file": {**protocol, "read-only": read_only}}
    return ["-blockdev", json.dumps(node), "-device", devices.as_argument(device)]
