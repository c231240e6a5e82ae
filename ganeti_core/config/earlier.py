"""Documents that earlier versions wrote into the database, made into those of this one. Pure."""

from __future__ import annotations

from typing import Any

_SETTINGS = ("volume_group_name", "drbd_usermode_helper", "file_storage_dir",
             "shared_file_storage_dir", "gluster_storage_dir")
"""Settings of single drivers that were fields of the cluster."""


def upgraded(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document of an object with the fields that it has in this version."""
    match kind:
        case "disk" if "granted" not in document:
            return _disk(document)
        case "cluster" if "settings" not in document:
            # A field that had its default, the empty text, was left out.
            settings = {name: document.get(name, "") for name in _SETTINGS}
            return {**{key: value for key, value in document.items() if key not in _SETTINGS},
                    "settings": settings}
        case "instance" if "disk_template" not in document:
            return {**document, "disk_template": "diskless"}
    return document


def _disk(document: dict[str, Any]) -> dict[str, Any]:
    """What a disk of two nodes drew from the pools was repeated among its parameters."""
    params = document.get("params", {})
    match document.get("logical_id"):
        case [str(first), str(second), int(port), int(one), int(two), str(secret)] if (
                "minors" in params):
            kept = {key: value for key, value in params.items() if key not in ("minors", "port")}
            return {**document, "params": kept, "logical_id": [], "granted": {
                "minor": {first: one, second: two}, "port": port, "secret": secret}}
    return document
