"""Fixtures: the recorded cluster, a host with stub drivers, an engine over both."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_cluster import FakeJobs, FakeLocks, FakeNodes, at_recording, recorded
from stub_drivers import stub

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.opcodes.registry import summary
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE, NO_DISKS
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import BRIDGE_LINK, NETWORK_BACKENDS, VLANS
from ganeti_core.plugins import PluginHost
from ganeti_core.query.engine import QueryEngine


def schema(**defaults: Any) -> dict[str, Any]:
    types = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": "object", "properties": {
        name: {"type": types[type(value)], "default": value, "description": "of a stub"}
        for name, value in defaults.items()}}


@pytest.fixture(scope="session")
def host() -> PluginHost:
    found = PluginHost()
    found.add(HYPERVISORS, "fake", stub(HYPERVISORS, Description(0, "a stub", {
        "type": "object", "properties": {
            "migration_mode": {"type": "string", "default": "live", "x-global": True,
                               "description": "of a stub"}}})))
    found.add(HYPERVISORS, "kvm", stub(HYPERVISORS, Description(
        0, "a stub", schema(kernel_path="/boot/vmlinuz", acpi=True, user_shutdown=False,
                            own_number=3, own_text="x"))))
    for template in ("file", "sharedfile", "ext"):
        found.add(DISK_TEMPLATES, template, stub(DISK_TEMPLATES, Description(
            0, "a stub", capabilities=frozenset({LOCAL_SPACE}))))
    found.add(DISK_TEMPLATES, "diskless", stub(DISK_TEMPLATES, Description(
        0, "a stub", capabilities=frozenset({NO_DISKS}))))
    found.add(NETWORK_BACKENDS, "bridged", stub(NETWORK_BACKENDS, Description(
        0, "a stub", capabilities=frozenset({BRIDGE_LINK, VLANS}))))
    found.add(NETWORK_BACKENDS, "openvswitch", stub(NETWORK_BACKENDS, Description(
        0, "a stub", capabilities=frozenset({VLANS}))))
    return found


@pytest.fixture
def snapshot() -> Snapshot:
    return at_recording()


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes.as_recorded()


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs([
        {**job, "status": _status(job), "archived": False,
         "ops": [{**op, "summary": summary(op["input"])} for op in job["ops"]]}
        for job in recorded()["jobs"].values()])


def _status(job: dict[str, Any]) -> str:
    states = [op["status"] for op in job["ops"]]
    return next((state for state in states if state != "success"), "success")


@pytest.fixture
def locks() -> FakeLocks:
    return FakeLocks()


@pytest.fixture
def engine(
    host: PluginHost, nodes: FakeNodes, jobs: FakeJobs, locks: FakeLocks
) -> QueryEngine:
    return QueryEngine(host, nodes, jobs, locks)
