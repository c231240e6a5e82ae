"""Where the console of a guest is said to be; no guest has to run for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext, InstanceSpec, NodeRef
from ganeti_plugins.hv_kvm import KvmHypervisor

HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "127.0.0.9")
EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing listens there
NO_LINE = {"serial_console": False}


@pytest.mark.parametrize(("params", "kind", "where"), [
    ({"vnc_bind_address": "/srv/vnc"}, "vnc", {"path": "/srv/vnc/inst1.example.com.vnc"}),
    ({"vnc_bind_address": "127.0.0.1"}, "vnc", {"host": "127.0.0.1", "port": 11001}),
    ({"vnc_bind_address": "::1"}, "vnc", {"host": "::1", "display": 5101}),
    ({"vnc_bind_address": EVERYWHERE}, "vnc", {"host": HERE.address}),
    ({"vnc_bind_address": "::"}, "vnc", {"host": HERE.address}),
    ({"vnc_bind_address": "lo"}, "vnc", {"host": "127.0.0.1"}),
    ({"vnc_bind_address": "", "spice_bind": "127.0.0.1"}, "spice", {"host": "127.0.0.1"}),
    ({"vnc_bind_address": "", "spice_bind": EVERYWHERE}, "spice",
     {"host": HERE.address, "port": 11001}),
    ({"vnc_bind_address": ""}, "msg", {})])
def test_a_screen_is_where_it_listens(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec,
    params: dict[str, Any], kind: str, where: dict[str, Any],
) -> None:
    instance = replace(
        guest_instance, network_port=11001,
        hvparams={**guest_instance.hvparams, **NO_LINE, **params})
    told = kvm.console(ctx, instance, HERE)
    assert told.kind == kind
    assert {name: getattr(told, name) for name in where} == where
