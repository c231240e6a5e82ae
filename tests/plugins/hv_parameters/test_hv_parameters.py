"""Parameters of hypervisors are named, typed and filled as Ganeti's: its configurations fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganeti_plugins.hv_chroot import ChrootHypervisor
from ganeti_plugins.hv_lxc import LxcHypervisor
from ganeti_plugins.hv_xen import XenHvmHypervisor, XenPvmHypervisor

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
DRIVERS = {"chroot": ChrootHypervisor, "lxc": LxcHypervisor, "xen-hvm": XenHvmHypervisor,
           "xen-pvm": XenPvmHypervisor}
TYPES = {"bool": "boolean", "int": "integer", "string": "string",
         "maybe-string": ["string", "null"]}
OTHER_DEFAULTS = {"xen_cmd": ("xm", "xl")}
"""What Ganeti has, and what is here: xm is in no Xen since 4.5."""


@pytest.mark.parametrize("name", DRIVERS)
def test_names_types_defaults_and_scope_are_ganetis(name: str) -> None:
    ours: dict[str, Any] = DRIVERS[name]().describe().parameters["properties"]
    recorded = {
        one: (TYPES[told["type"]], told["default"], told["global"])
        for one, told in RECORDED[name].items()}
    for one, (theirs, here) in OTHER_DEFAULTS.items():
        if one in recorded:
            assert recorded[one][1] == theirs
            recorded[one] = (recorded[one][0], here, recorded[one][2])
    assert {one: (schema["type"], schema["default"], schema.get("x-global", False))
            for one, schema in ours.items()} == recorded
