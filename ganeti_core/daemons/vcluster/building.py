"""Make a virtual cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap.enrol import enrol
from ganeti_core.bootstrap.init import InitOptions, init_cluster
from ganeti_core.daemons.vcluster import processes
from ganeti_core.daemons.vcluster.layout import PORT, Layout, VirtualNode, layout_file
from ganeti_core.daemons.vcluster.remote import write_ssh
from ganeti_core.daemons.vcluster.starting import Starter
from ganeti_core.daemons.vcluster.upkeep import locked
from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FINAL = frozenset({"success", "error", "canceled"})
JOIN_SECONDS = 120.0
"""A job that adds a node may take so long without getting on."""
HYPERVISOR_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    # Guests of such a cluster boot from their disks: there is no kernel at the peer's default path.
    "kvm": {"kernel_path": ""},
}


@dataclass(frozen=True)
class Wish:
    """What `up` was asked for; empty `disk_templates` stands for those of a cluster's init."""

    root: Path
    nodes: int = 3
    hypervisors: tuple[str, ...] = ("fake",)
    disk_templates: tuple[str, ...] = ()
    hvparams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def init_options(self, layout: Layout) -> InitOptions:
        hvparams = {name: {**HYPERVISOR_DEFAULTS.get(name, {}), **self.hvparams.get(name, {})}
                    for name in {*HYPERVISOR_DEFAULTS, *self.hvparams} & set(self.hypervisors)}
        return InitOptions.from_options({
            "cluster_name": layout.cluster_name, "node_name": layout.nodes[0].name,
            "enabled_hypervisors": self.hypervisors, "hvparams": hvparams,
            "enabled_disk_templates": self.disk_templates, "port": PORT})


def build(wish: Wish, tell: Callable[[str], None]) -> Layout:
    """Make the cluster and start it; `tell` gets a line per stage.

    :raises GanetiError: it did not work; daemons that ran are stopped, files stay for a look
    """
    root = wish.root
    if layout_file(root).exists():
        raise ConfigurationError(
            f"there is a virtual cluster in {root} already: gnt-vcluster start brings it back, "
            "gnt-vcluster down removes it")
    if root.exists() and any(root.iterdir()):
        raise ConfigurationError(f"{root} is not empty: choose another folder for --root")
    layout = Layout.plan(root, wish.nodes)
    # Above the nodes' own folders: what lies there is as private as the keys in it.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(root):
        layout.save()
        try:
            _build(layout, wish, tell)
        except BaseException:
            processes.stop_daemons(processes.running(layout))
            tell(f"It failed. What there is stays for a look; gnt-vcluster down --root {root} "
                 "removes it.")
            raise
    return layout


def _build(layout: Layout, wish: Wish, tell: Callable[[str], None]) -> None:
    began = time.monotonic()

    def stage(what: str) -> None:
        tell(f"{time.monotonic() - began:5.1f} s  {what}")

    layout.shared_files.mkdir(mode=0o750)
    write_ssh(layout)
    for node in layout.nodes:
        node.paths.make_directories()
        storage = node.root / "srv/ganeti"
        (storage / "file-storage").mkdir(mode=0o750, parents=True)
        # Every node sees the same files, as if a network file system were mounted there.
        (storage / "shared-file-storage").symlink_to(layout.shared_files)
        node.paths.hosts.write_text(layout.hosts())
    master, *others = layout.nodes
    init_cluster(master.paths, wish.init_options(layout))
    stage(f"cluster {layout.cluster_name} initialised on {master.name} ({master.address})")
    starter = Starter()
    starter.start([(master, processes.NODED), (master, processes.MASTERD)])
    stage("master daemon and its node daemon are up")
    with LuxiClient(master.paths.master_socket) as client:
        _run_jobs(client, [{"OP_ID": "OP_CLUSTER_POST_INIT"}])
        if others:
            for node in others:
                _enrol(node, client.node_enrol_token())
            stage(f"{len(others)} more hosts enrolled: each has its certificate")
            starter.start((node, processes.NODED) for node in others)
            stage("their node daemons are up")
            _run_jobs(client, [{"OP_ID": "OP_NODE_ADD", "node_name": node.name}
                               for node in others])
            stage(f"the cluster has {len(layout.nodes)} nodes")


def _enrol(node: VirtualNode, pass_: Mapping[str, str]) -> None:
    address, _, port = pass_["master"].rpartition(":")
    enrol(node.paths, NodeIdentity("", node.name, node.address, PORT),
          (address.strip("[]"), int(port)), pass_["ca_fingerprint"], pass_["token"])


def _run_jobs(client: LuxiClient, ops: list[dict[str, Any]]) -> None:
    """Run one job per opcode, all submitted at once.

    :raises GanetiError: of the first one that failed
    """
    for accepted, job in client.submit_many_jobs([[op] for op in ops]):
        if not accepted:
            raise GanetiError.from_wire(job)
        _await(client, int(job))


def _await(client: LuxiClient, job: int) -> None:
    fields = ["status", "opresult"]
    known: list[Any] | None = None
    until = time.monotonic() + JOIN_SECONDS
    while time.monotonic() < until:
        change = client.wait_for_job_change(job, fields, known, None, wait=10.0)
        if change is None:
            raise GanetiError(f"job {job} is gone")
        if change == "nochange":
            continue
        known = change[0]
        if known and known[0] in FINAL:
            break
    else:
        raise GanetiError(f"job {job} does not get on (gnt-job watch {job} shows it)")
    if known and known[0] != "success":
        raise GanetiError.from_wire(known[1][0])
