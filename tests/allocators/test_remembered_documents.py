"""Documents of which most is kept from the one before are, byte for byte, what they would be made
afresh: what an allocator is told is free is never what was free before."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from small_cluster import SmallCluster, text

from ganeti_core.config.reservations import Resources
from ganeti_core.config.store import Delete, Put
from ganeti_core.model import Disk, Instance, Nic, NodeGroup
from ganeti_core.operations.placement.changed_parts import KnownParts, SentParts
from ganeti_core.operations.placement.document import Request
from ganeti_core.plugin_api.data import DiskRequest, HostFacts, RunningInstance, StorageSpace
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugins import PluginHost
from ganeti_plugins.disk_file import FileTemplate, SharedFileTemplate
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork

SEEDS = 12
STEPS = 120

ASKED = Request({"type": "allocate", "name": "new.example.com", "hypervisor": "fake",
                 "disk_template": "file", "nics": [], "disks": []})
Asked = tuple[Request, str, frozenset[str] | None]
"""What is asked, by which job, and which nodes it may choose."""


class LocalShelf(FileTemplate):
    name = "shelf"


class SharedShelf(SharedFileTemplate):
    name = "shelf"


SHELVES = (LocalShelf, SharedShelf)
NEAR = (BridgedNetwork, RoutedNetwork)


@pytest.fixture(scope="module")
def loaded() -> PluginHost:
    host = PluginHost()
    host.load()
    return host


@pytest.fixture
def host(loaded: PluginHost) -> PluginHost:
    """With two drivers that may be others from moment to moment."""
    own = replace(loaded, disabled=frozenset())
    own.add(DISK_TEMPLATES, "shelf", LocalShelf())
    own.add(NETWORK_BACKENDS, "near", BridgedNetwork())
    return own


class World:
    """A cluster to which things happen at random; each is a method whose name begins with one."""

    def __init__(self, host: PluginHost, seed: int) -> None:
        self.random = random.Random(seed)
        self.cluster = SmallCluster(host)
        self.host = host
        self.count = 0
        self.owners = [f"job{number}" for number in range(4)]
        self.asked: Asked = ASKED, "another", None

    @property
    def snapshot(self) -> Any:
        return self.cluster.store.snapshot

    def some(self, kind: str) -> Any | None:
        found = list(self.snapshot.of_kind(kind).values())
        return self.random.choice(found) if found else None

    def change(self, kind: str, **fields: Any) -> None:
        if (found := self.some(kind)) is not None:
            self.cluster.commit(Put(replace(found, **fields)))

    def amount(self, most: int = 4096) -> int:
        return self.random.randrange(1, most)

    def storage(self) -> tuple[str, str]:
        return self.random.choice([("file", "/srv"), ("file", ""), ("shelf", "/shelf")])

    # Instances

    def one_comes(self) -> None:
        self.count += 1
        name = f"i{self.count}"
        template = self.random.choice(["diskless", "file", "shelf"])
        nodes = self.random.sample(list(self.snapshot.nodes), 2)
        disks = [] if template == "diskless" else [
            Disk(uuid=f"{name}-{at}", template=template, size=self.amount(), instance=name,
                 logical_id=("loop", f"/srv/{name}.{at}"), nodes=(nodes[0],))
            for at in range(self.random.randrange(1, 3))]
        self.cluster.commit(*map(Put, disks), Put(Instance(
            uuid=name, name=f"{name}.example.com", primary_node=nodes[0], hypervisor="fake",
            secondary_nodes=tuple(nodes[1:self.random.randrange(1, 3)]),
            disk_template=template, disks=tuple(disk.uuid for disk in disks),
            admin_state=self.random.choice(["up", "down"]), nics=self.cards(name),
            forthcoming=self.random.random() < 0.1,
            beparams=self.random.choice([{}, {"maxmem": self.amount(), "vcpus": self.amount(4)}]))))

    def cards(self, name: str) -> tuple[Nic, ...]:
        return tuple(
            Nic(uuid=f"{name}-{at}", mac=f"aa:00:00:00:{self.count:02x}:{at:02x}",
                nicparams=self.random.choice([
                    {}, {"mode": self.random.choice(["near", "routed", "user"]), "link": "br0"}]))
            for at in range(self.random.randrange(3)))

    def one_goes(self) -> None:
        if (found := self.some("instance")) is not None:
            self.cluster.commit(
                Delete(found), *(Delete(disk) for disk in self.snapshot.disks_of(found)))

    def one_moves(self) -> None:
        first, *others = self.random.sample(list(self.snapshot.nodes), 2)
        self.change("instance", primary_node=first, secondary_nodes=tuple(others))

    def one_changes(self) -> None:
        self.change("instance", beparams={"maxmem": self.amount(), "spindle_use": self.amount(9)})

    def one_is_started_or_stopped(self) -> None:
        self.change("instance", admin_state=self.random.choice(["up", "down", "offline"]),
                    disks_active=self.random.random() < 0.5)

    def one_gets_tags(self) -> None:
        self.change(self.random.choice(["instance", "node", "nodegroup", "cluster"]),
                    tags=(f"tag{self.amount()}",))

    def one_is_renamed(self) -> None:
        self.count += 1
        self.change("instance", name=f"r{self.count}.example.com")

    def one_disk_grows(self) -> None:
        self.change("disk", size=self.amount(), mode=self.random.choice(["rw", "ro"]))

    def one_gets_other_cards(self) -> None:
        self.count += 1
        self.change("instance", nics=self.cards(f"c{self.count}"))

    # Nodes, groups and the cluster

    def one_node_changes_role(self) -> None:
        self.change("node", **{self.random.choice(
            ["offline", "drained", "vm_capable", "master_capable", "master_candidate"]):
            self.random.random() < 0.5})

    def one_node_changes_group(self) -> None:
        if (group := self.some("nodegroup")) is not None:
            self.change("node", group=group.uuid)

    def one_node_comes(self) -> None:
        if len(self.snapshot.nodes) < 7:
            self.count += 1
            self.cluster.commit(Put(self.cluster.node(10 + self.count)))

    def one_node_goes(self) -> None:
        used = {uuid for one in self.snapshot.instances.values()
                for uuid in (one.primary_node, *one.secondary_nodes)}
        used |= {uuid for disk in self.snapshot.disks.values() for uuid in disk.nodes}
        used.add(self.snapshot.cluster.master_node)
        if len(self.snapshot.nodes) > 3:
            for node in [one for one in self.snapshot.nodes.values() if one.uuid not in used][:1]:
                self.cluster.commit(Delete(node))

    def one_level_says_something_of_nodes(self) -> None:
        kind = self.random.choice(["cluster", "nodegroup", "node"])
        self.change(kind, **self.random.choice([
            {"ndparams": {"exclusive_storage": self.random.random() < 0.5,
                          "spindle_count": self.amount(9)}},
            {"hv_state_static": {"fake": {"mem_total": self.amount(65536), "cpu_node": 2}}},
            {"disk_state_static": {"file": {"/srv": {"disk_reserved": self.amount()}}}}]))

    def one_setting_of_the_cluster_changes(self) -> None:
        self.change("cluster", **self.random.choice([
            {"beparams": {"default": {"maxmem": self.amount(), "vcpus": self.amount(4)}}},
            {"nicparams": {"default": {"mode": self.random.choice(["near", "routed"])}}},
            {"ipolicy": {"vcpu-ratio": float(self.amount(9))}},
            {"enabled_hypervisors": self.random.choice([("fake",), ("chroot", "fake")])},
            {"enabled_disk_templates": self.random.choice([("file", "shelf"), ("shelf",)])},
            {"queue_drained": self.random.random() < 0.5}]))

    def one_group_changes(self) -> None:
        self.change("nodegroup", **self.random.choice([
            {"alloc_policy": self.random.choice(["preferred", "unallocable"])},
            {"ipolicy": {"spindle-ratio": float(self.amount(9))}}]))

    def one_group_comes(self) -> None:
        self.count += 1
        self.cluster.commit(Put(NodeGroup(uuid=f"g-{self.count}", name=f"group{self.count}")))

    # What nodes say

    def one_node_says_something_else(self) -> None:
        uuid = self.random.choice(list(self.snapshot.nodes))
        said = self.cluster.connections.hosts[uuid]
        match self.random.randrange(5):
            case 0:
                said.facts["fake"] = HostFacts(65536, self.amount(65536), 512, 16)
            case 1:
                here = list(self.snapshot.instances_on(uuid))
                said.guests = [RunningInstance(one.name, one.uuid, "running", self.amount(), 1)
                               for one in here[:self.random.randrange(4)]]
            case 2:
                # On one device, or each on its own.
                device = self.random.choice(["", "disk1"])
                said.spaces = {template: [StorageSpace(
                    name, 100000, self.amount(100000), device=device)]
                    for template, name in (("file", "/srv"), ("shelf", "/shelf"))
                    if self.random.random() < 0.8}
            case 3:
                said.silent = not said.silent
            case 4:
                said.missing ^= {self.random.choice([
                    ("hypervisors", "fake"), ("disk_templates", "shelf"),
                    ("network_backends", "near")])}
                said.life += 1
        # Either it was something that a job did there, or time has passed.
        if self.random.random() < 0.5:
            self.cluster.live.touched(uuid)
        else:
            self.cluster.later()

    def one_moment_passes(self) -> None:
        self.cluster.clock.now += 0.3

    # What running jobs hold

    def one_job_sets_something_aside(self) -> None:
        nodes = self.random.sample(list(self.snapshot.nodes), self.random.randrange(1, 3))
        found = self.some("instance")
        name = found.name if found is not None and self.random.random() < 0.5 else "new"
        self.cluster.reservations.hold_resources(name, {
            uuid: Resources(self.amount(), {self.storage(): self.amount()})
            for uuid in nodes}, self.random.choice(self.owners))

    def one_job_ends(self) -> None:
        self.cluster.reservations.release(self.random.choice(self.owners))

    # Plugins

    def one_plugin_is_another(self) -> None:
        if self.random.random() < 0.5:
            self.host.add(DISK_TEMPLATES, "shelf", self.random.choice(SHELVES)())
        else:
            self.host.add(NETWORK_BACKENDS, "near", self.random.choice(NEAR)())

    def one_plugin_is_disabled(self) -> None:
        if self.random.random() < 0.3:
            self.host.disabled = frozenset({
                self.random.choice(["network_backends:near", "disk_templates:shelf"])})

    def one_plugin_is_enabled_again(self) -> None:
        self.host.disabled = frozenset()

    # What is asked

    def asks(self) -> Asked:
        """Mostly the same as before, as where many are placed one after the other."""
        if self.random.random() < 0.3:
            owner = self.random.choice([*self.owners, "another"])
            self.asked = self.request(), owner, self.chosen()
        return self.asked

    def request(self) -> Request:
        template = self.random.choice(["diskless", "file", "shelf"])
        new = {"name": "new.example.com", "hypervisor": "fake", "disk_template": template,
               "nics": [{"mode": "near"}], "disks": [{"size": 10}]}
        found = self.some("instance")
        names = [] if found is None else [found.name]
        bodies = [{"type": "allocate", **new}, {"type": "multi-allocate", "instances": [new]},
                  {"type": "node-evacuate", "instances": names}]
        if found is not None:
            bodies += [{"type": "relocate", "name": found.name},
                       {"type": "allocate-secondary", "name": found.name, "disk_template": "shelf"}]
        disks = [DiskRequest("u", 0, 10, "new.example.com")] if template != "diskless" else []
        return Request(self.random.choice(bodies), disks)

    def chosen(self) -> frozenset[str] | None:
        nodes = list(self.snapshot.nodes)
        return frozenset(self.random.sample(nodes, 2)) if self.random.random() < 0.2 else None


THINGS = [name for name in vars(World) if name.startswith("one_")]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_kept_documents_are_as_new_ones(host: PluginHost, seed: int) -> None:
    world, sent, known = World(host, seed), SentParts(), KnownParts()
    happened = []
    for _ in range(STEPS):
        happened.append(world.random.choice(THINGS))
        getattr(world, happened[-1])()
        asked = world.asks()
        document = world.cluster.document(*asked)
        expected = text(world.cluster.afresh(*asked))
        assert text(document) == expected, happened
        if isinstance(document, dict):
            told = known.document(json.loads(json.dumps(sent.changes(document))))
            sent = SentParts.of(document)
            assert text({key: told[key] for key in document}) == expected, happened
            spoil(told)


def spoil(told: dict[str, Any]) -> None:
    """Do what an allocator may do with what it was told."""
    for node in told["nodes"].values():
        node["free_memory"] = 0
        node["tags"].append("seen")
        node["ndparams"].clear()
    told["nodes"].popitem()
    told["instances"].clear()


def nodes_of(cluster: SmallCluster) -> dict[str, Any]:
    return dict(cluster.document(ASKED, "another", None)["nodes"])


@pytest.mark.parametrize("thing", [
    lambda cluster: cluster.commit(Put(Instance(
        uuid="i", name="i.example.com", primary_node="n1", hypervisor="fake"))),
    lambda cluster: cluster.reservations.hold_resources("i", {"n1": Resources(512)}, "job"),
    lambda cluster: cluster.commit(Put(replace(cluster.store.snapshot.nodes["n1"], drained=True))),
    lambda cluster: (setattr(cluster.connections.hosts["n1"], "facts",
                             {"fake": HostFacts(65536, 1, 1, 1)}), cluster.later()),
])
def test_only_the_node_that_changed_is_described_anew(
    host: PluginHost, thing: Callable[[SmallCluster], Any]
) -> None:
    cluster = SmallCluster(host)
    before = nodes_of(cluster)
    thing(cluster)
    after = nodes_of(cluster)
    assert [name for name, node in after.items() if node is not before[name]] == [
        "node1.example.com"]


def test_room_counts_on_all_nodes_as_long_as_they_share_the_storage(host: PluginHost) -> None:
    cluster = SmallCluster(host)
    cluster.commit(Put(replace(cluster.store.snapshot.cluster, enabled_disk_templates=("shelf",))))
    for said in cluster.connections.hosts.values():
        said.spaces = {"shelf": [StorageSpace("/shelf", 1000, 900)]}
    held = Resources(0, {("shelf", ""): 100})
    cluster.reservations.hold_resources("i", {"n1": held, "n2": held}, "job")
    request = Request({**ASKED.body, "disk_template": "diskless"})

    def free() -> list[int]:
        return [node["free_disk"] for node in cluster.document(
            request, "another", None)["nodes"].values()]

    assert free() == [900, 800, 800, 900]
    host.add(DISK_TEMPLATES, "shelf", SharedShelf())
    assert free() == [700] * 4
    host.add(DISK_TEMPLATES, "shelf", LocalShelf())
    assert free() == [900, 800, 800, 900]


def test_what_a_job_holds_of_a_template_that_is_disabled_meanwhile_is_not_free(
    host: PluginHost
) -> None:
    cluster = SmallCluster(host)
    for said in cluster.connections.hosts.values():
        said.spaces = {template: [StorageSpace(name, 1000, 900, device="disk1")]
                       for template, name in (("file", "/srv"), ("shelf", "/shelf"))}
    cluster.reservations.hold_resources(
        "i", {"n1": Resources(0, {("shelf", ""): 100})}, "job")
    host.disabled = frozenset({"disk_templates:shelf"})
    # Nobody can say whether the other nodes share it.
    assert [node["free_disk"] for node in nodes_of(cluster).values()] == [800] * 4


def test_nothing_is_kept_of_what_has_gone(host: PluginHost) -> None:
    cluster = SmallCluster(host, nodes=40)
    for number in range(40):
        cluster.commit(Put(Instance(
            uuid=f"i{number}", name=f"i{number}", primary_node="n0", hypervisor="fake")))
    nodes_of(cluster)
    snapshot = cluster.store.snapshot
    cluster.commit(*map(Delete, snapshot.instances.values()), *(
        Delete(node) for node in snapshot.nodes.values() if node.uuid != "n0"))
    nodes_of(cluster)
    assert list(cluster.nodes._known) == ["n0"]
    assert not cluster.instances._made[1]


def test_jobs_that_ask_at_once_leave_nothing_wrong_behind(host: PluginHost) -> None:
    cluster = SmallCluster(host)
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            cluster.document(ASKED, threading.current_thread().name, None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        node = f"n{number % 4}"
        cluster.reservations.hold_resources("i", {node: Resources(number)}, f"job{number % 3}")
        cluster.commit(Put(Instance(
            uuid=f"i{number % 20}", name=f"i{number % 20}", primary_node=node, hypervisor="fake",
            admin_state="up", beparams={"maxmem": number})))
        cluster.connections.hosts[node].facts["fake"] = HostFacts(65536, number, 0, 4)
        cluster.live.touched(node)
    done.set()
    for thread in threads:
        thread.join()
    asked = ASKED, "another", None
    assert text(cluster.document(*asked)) == text(cluster.afresh(*asked))


def test_a_network_back_end_that_is_disabled_stops_no_placement(host: PluginHost) -> None:
    cluster = SmallCluster(host)
    cluster.commit(Put(Instance(
        uuid="i", name="i.example.com", primary_node="n1", hypervisor="fake",
        nics=(Nic(uuid="i-0", mac="aa:00:00:00:00:01",
                  nicparams={"mode": "near", "link": "br7"}),))))

    def card() -> dict[str, Any]:
        (one,) = cluster.document(ASKED, "another", None)["instances"]["i.example.com"]["nics"]
        return dict(one)

    assert card()["bridge"] == "br7"
    host.disabled = frozenset({"network_backends:near"})
    assert (card()["link"], card().get("bridge")) == ("br7", None)
    host.disabled = frozenset()
    assert card()["bridge"] == "br7"
