"""Make a virtual cluster."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap.enrol import Master, enrol
from ganeti_core.bootstrap.init import InitOptions, folders, init_cluster
from ganeti_core.daemons.vcluster import processes
from ganeti_core.daemons.vcluster.layout import PORT, Layout, VirtualNode, layout_file
from ganeti_core.daemons.vcluster.remote import write_ssh
from ganeti_core.daemons.vcluster.starting import Starter
from ganeti_core.daemons.vcluster.upkeep import locked, remove_files
from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.opcodes.base import FINAL_STATUSES
from ganeti_core.plugin_api.disk import SHARED
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, SIMULATED
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.plugins import PluginHost

OS_DEFINITIONS = "ganeti_os_definitions"
JOIN_SECONDS = 120.0
"""A job that adds a node may take so long without getting on."""


@dataclass(frozen=True)
class Wish:
    """What `up` was asked for.

    Without hypervisors there are those that only pretend guests, without disk templates those of
    a cluster's init. `extras` are daemons that it is to have beside the usual ones.
    """

    root: Path
    nodes: int = 3
    hypervisors: tuple[str, ...] = ()
    disk_templates: tuple[str, ...] = ()
    hvparams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extras: tuple[str, ...] = ()

    def init_options(self, layout: Layout, plugins: PluginHost) -> InitOptions:
        hypervisors = self.hypervisors or tuple(
            name for name in plugins.names(HYPERVISORS)
            if SIMULATED in plugins.describe(HYPERVISORS, name).capabilities)
        self.check_hypervisors(hypervisors)
        hvparams = {name: given for name in hypervisors
                    if (given := {**_trial_values(plugins, name), **self.hvparams.get(name, {})})}
        return InitOptions.from_options({
            "cluster_name": layout.cluster_name, "node_name": layout.nodes[0].name,
            "enabled_hypervisors": hypervisors, "hvparams": hvparams,
            "enabled_disk_templates": self.disk_templates, "port": PORT})

    def check_hypervisors(self, hypervisors: Iterable[str]) -> None:
        """:raises ConfigurationError: there are parameters of one that the cluster has not"""
        if others := sorted(self.hvparams.keys() - set(hypervisors)):
            raise ConfigurationError(
                f"-H {others[0]}: the cluster is to have {', '.join(hypervisors)}, name all that "
                "it needs with --hypervisor")


def _trial_values(host: PluginHost, hypervisor: str) -> dict[str, Any]:
    if not host.has(HYPERVISORS, hypervisor):
        return {}  # whoever makes the cluster says so
    properties = host.describe(HYPERVISORS, hypervisor).parameters.get("properties", {})
    return {name: schema["x-trial"] for name, schema in properties.items() if "x-trial" in schema}


def build(wish: Wish, tell: Callable[[str], None]) -> Layout:
    """Make the cluster and start it; `tell` gets a line per stage.

    :raises GanetiError: it did not work; daemons that ran are stopped, and files stay for a look;
        where none was started yet, nothing stays
    """
    root = wish.root
    if layout_file(root).exists():
        raise ConfigurationError(
            f"there is a virtual cluster in {root} already: gnt-vcluster start brings it back, "
            "gnt-vcluster down removes it")
    if root.exists() and any(root.iterdir()):
        raise ConfigurationError(f"{root} is not empty: choose another folder for --root")
    if wish.hypervisors:
        wish.check_hypervisors(wish.hypervisors)
    layout = Layout.plan(root, wish.nodes, wish.extras)
    stage, starter = _Stages(tell), Starter()
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    # Above the nodes' own folders: what lies there is as private as the keys in it.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(root):
        try:
            layout.save()
            _initialise(layout, wish, starter, stage)
        except BaseException:
            remove_files(layout)
            for folder in missing:
                folder.rmdir()
            raise
        try:
            _start(layout, starter, stage)
        except BaseException:
            processes.stop_daemons(processes.running(layout))
            tell(f"It failed. What there is stays for a look; gnt-vcluster down --root {root} "
                 "removes it.")
            raise
    return layout


@dataclass(frozen=True)
class _Stages:
    """Tells which stage was reached, and when."""

    tell: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)

    def __call__(self, what: str) -> None:
        self.tell(f"{time.monotonic() - self.began:5.1f} s  {what}")


def _initialise(layout: Layout, wish: Wish, starter: Starter, stage: _Stages) -> None:
    """Make the files of a cluster that has its first node; no process is started.

    :raises GanetiError: it cannot be as it was asked for
    """
    layout.shared_files.mkdir(mode=0o750)
    write_ssh(layout)
    for node in layout.nodes:
        node.paths.make_directories()
        _make_folders(node, layout, starter.host)
        node.paths.hosts.write_text(layout.hosts())
    master = layout.nodes[0]
    init_cluster(master.paths, wish.init_options(layout, starter.host))
    stage(f"cluster {layout.cluster_name} initialised on {master.name} ({master.address})")


def _start(layout: Layout, starter: Starter, stage: _Stages) -> None:
    """Start the first node, and let the others join."""
    master, *others = layout.nodes
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
    if layout.extras:
        _write_settings(layout)
        starter.start((node, name) for node in layout.nodes
                      for name in processes.extras(layout.extras, on_master=node == master))
        stage(f"{', '.join(layout.extras)} up")


def _write_settings(layout: Layout) -> None:
    """Let the remote API listen at the cluster's address only, on whichever node it runs."""
    if processes.RAPI in layout.extras:
        for node in layout.nodes:
            file = node.root / "etc/default/ganeti"
            file.parent.mkdir(mode=0o755, exist_ok=True)
            file.write_text(f'RAPI_ARGS="--bind {layout.address}"\n')


def _definitions() -> list[Path]:
    """The OS definitions that are installed on this machine with the project, if any."""
    found = importlib.util.find_spec(OS_DEFINITIONS)
    return [entry for folder in (found and found.submodule_search_locations) or ()
            for entry in sorted(Path(folder).iterdir())
            if entry.is_dir() and not entry.name.startswith((".", "_"))]


def _make_folders(node: VirtualNode, layout: Layout, plugins: PluginHost) -> None:
    """Make the folders in which drivers keep files."""
    shared = folders(plugins, {}, SHARED)
    for folder in folders(plugins, {}):
        path = node.root / folder.lstrip("/")
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if folder in shared:
            # Every node sees the same files, as if a network file system were mounted there.
            path.symlink_to(layout.shared_files)
        else:
            path.mkdir(mode=0o750)
    for name in ("os", "extstorage"):
        (node.root / "srv/ganeti" / name).mkdir(mode=0o750, parents=True, exist_ok=True)
    for definition in _definitions():
        (node.root / "srv/ganeti/os" / definition.name).symlink_to(definition)


def _enrol(node: VirtualNode, pass_: Mapping[str, str]) -> None:
    address, _, port = pass_["master"].rpartition(":")
    enrol(node.paths, NodeIdentity("", node.name, node.address, PORT),
          Master(address.strip("[]"), int(port), pass_["master_fingerprint"],
                 pass_["ca_fingerprint"]), pass_["token"])


def _run_jobs(client: LuxiClient, ops: list[dict[str, Any]]) -> None:
    """Run one job per opcode, all submitted at once.

    :raises GanetiError: of the first one that failed
    """
    for accepted, job in client.submit_many_jobs([[op] for op in ops]):
        if not accepted:
            raise GanetiError.from_wire(job)
        _await(client, int(job))


def _await(client: LuxiClient, job: int) -> None:
    seen = JobSeen(["status", "opresult"])
    until = time.monotonic() + JOIN_SECONDS
    while not seen.values or seen.values[0] not in FINAL_STATUSES:
        if time.monotonic() > until:
            raise GanetiError(f"job {job} does not get on (gnt-job watch {job} shows it)")
        if client.wait_for_job_change(job, seen, wait=10.0) is None:
            raise GanetiError(f"job {job} is gone")
    status, results = seen.values
    if status != "success":
        raise GanetiError.from_wire(results[0])
