"""Listings against a real node daemon: hooks, wire and contracts fit together."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from member_lists import write_members
from recorded_cluster import FakeJobs, FakeLocks, at_recording, with_objects
from stub_drivers import stub

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.daemons.noded import Noded
from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.local_node import LocalNode
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.data import (
    Console,
    Description,
    DiskSpec,
    DiskStatus,
    HostFacts,
    InstanceSpec,
    NodeRef,
    RunningInstance,
    StorageSpace,
)
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.kinds import hookimpl
from ganeti_core.plugins import PluginHost
from ganeti_core.query.engine import QueryEngine
from ganeti_core.query.instance_data import instance_data
from ganeti_core.query.live_rpc import LiveNodes
from ganeti_core.rpc import certs
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity

GUEST = RunningInstance("inst1.example.com", "", "running", 128, 1)


class Hypervisor(type(stub(HYPERVISORS, Description(0, "a stub")))):
    """One that runs inst1 and nothing else."""

    @hookimpl
    def host_facts(self) -> HostFacts:
        return HostFacts(4096, 1024, 512, 8, cpu_host=2)

    @hookimpl
    def running(self) -> list[RunningInstance]:
        return [GUEST]

    @hookimpl
    def console(self, instance: InstanceSpec, node: NodeRef) -> Console:
        return Console("vnc", instance.name, host=node.address, port=5900)


class Template(type(stub(DISK_TEMPLATES, Description(
        0, "a stub", capabilities=frozenset({LOCAL_SPACE}))))):
    """One whose devices are all there."""

    @hookimpl
    def space(self) -> list[StorageSpace]:
        return [StorageSpace("/srv", 1000, 400)]

    @hookimpl
    def status(self, disk: DiskSpec) -> DiskStatus:
        return DiskStatus(exists=True, path=disk.logical_id[1], size=disk.size)


@pytest.fixture(scope="module")
def node_host() -> PluginHost:
    found = PluginHost()
    found.add(HYPERVISORS, "fake", Hypervisor())
    found.add(DISK_TEMPLATES, "file", Template())
    return found


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return Paths(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def noded(paths: Paths, node_host: PluginHost) -> Iterator[Noded]:
    paths.make_directories()
    certs.create_authority(paths, "cluster.example.com")
    uuid = at_recording().node("node1").uuid
    write_members(paths, [certs.issue_local(paths, uuid, "node1.example.com")])
    certs.write_node_identity(paths, uuid, "node1.example.com", "127.0.0.1", 0)
    local = LocalNode(NodeIdentity.load(paths), paths)
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        # Newer Pythons warn of the test runner's own threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        forks = ForkServer.fork(local, node_host)
    daemon = Noded.build(local, node_host, forks, ("127.0.0.1", 0))
    daemon.start()
    daemon.settled(10)
    yield daemon
    daemon.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)


@pytest.fixture
def live(paths: Paths, noded: Noded) -> Iterator[LiveNodes]:
    clients = NodeClients(TlsIdentity.of(paths), lambda: 1)
    yield LiveNodes(clients, dict)
    clients.close()


@pytest.fixture
def small(noded: Noded) -> Snapshot:
    """The recorded cluster, of whose nodes only the first answers."""
    snapshot = at_recording()
    first = replace(snapshot.node("node1"), primary_ip="127.0.0.1", port=noded.server.port)
    others = [replace(node, offline=True) for node in snapshot.nodes.values()
              if node.uuid != first.uuid]
    inst2 = replace(snapshot.instance("inst2"), primary_node=first.uuid)
    return with_objects(
        with_objects(snapshot, "node", first, *others), "instance", inst2)


def test_listings_show_what_a_node_tells(
    live: LiveNodes, small: Snapshot, node_host: PluginHost
) -> None:
    engine = QueryEngine(node_host, live, FakeJobs(), FakeLocks())
    node = engine.query(small, "node", ["mfree", "ctotal", "cnos", "dfree", "bootid"])["data"]
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert node[0] == [[0, 1024], [0, 8], [0, 2], [0, 400], [0, boot_id]]
    assert node[1] == [[4, None]] * 5
    rows = engine.query(small, "instance", ["status", "oper_ram", "console"])["data"]
    console = {"instance": "inst1.example.com", "kind": "vnc", "host": "127.0.0.1", "port": 5900}
    assert rows[0] == [[0, "running"], [0, 128], [0, console]]
    assert rows[1][:2] == [[0, "ADMIN_down"], [3, None]]
    assert rows[2] == [[0, "ERROR_nodeoffline"], [4, None], [4, None]]


def test_a_description_shows_how_disks_are(
    live: LiveNodes, small: Snapshot, node_host: PluginHost
) -> None:
    told = instance_data(small, node_host, live, ["inst2"])["inst2.example.com"]
    disk = told["disks"][0]
    assert disk["pstatus"] == [disk["logical_id"][1], None, None, None, None, False, 1]
    assert told["run_state"] == "down"
