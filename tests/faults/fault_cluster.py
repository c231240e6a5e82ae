"""A cluster whose daemons die on order, and what must be true of it when it has recovered."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from third_party import install
from virtual_cluster import UNSOUND

from ganeti_core.config.journal import CRASH_VARIABLE
from ganeti_core.daemons.vcluster.layout import Layout, VirtualNode
from ganeti_core.daemons.vcluster.processes import MASTERD, DaemonState, daemons
from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import ConnectionLost, LuxiClient, NoMasterError
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.pid_file import running_pid

HERE = Path(__file__).parent
STRIKE_VARIABLE = "GANETI_STRIKE_FILE"
TEMPLATES = ["sharedfile", "file", "diskless", "twin"]
HYPERVISORS = ["fake", "plugging"]
UNTRUSTED = "wary"
DISK_FOLDERS = ("srv/ganeti/file-storage", "var/lib/ganeti/plugins/disk_templates/twin")
PASSING = re.compile("is degraded|different checksums")
"""Findings that end by themselves when a node is back."""
HELPER = "helper"
"""The state of a guest that works on an instance's disks in the place of its own."""
RUNS = ("running", "paused", "user-down", HELPER)
FINAL = ("success", "error", "canceled")
PATIENCE = 60.0
SETTLED = 40.0
"""Seconds in which everything must have been undone, finished and paid, on a busy machine too."""


class Unclean(AssertionError):
    """What is left behind after a fault."""


@dataclass
class FaultCluster:
    """A virtual cluster and the program that brings its daemons back."""

    layout: Layout
    zygote: subprocess.Popen[str]
    crash_file: Path
    strike_file: Path
    _client: LuxiClient | None = None
    _names: dict[str, str] = field(default_factory=dict)

    # Daemons

    def revive(self) -> list[str]:
        """Start every daemon that is down; answers which were."""
        assert self.zygote.stdin is not None
        self.zygote.stdin.write("start\n")
        self.zygote.stdin.flush()
        return self.heard()

    def heard(self) -> list[str]:
        assert self.zygote.stdout is not None
        told = json.loads(self.zygote.stdout.readline() or '"the zygote is gone"')
        if not isinstance(told, list):
            raise Unclean(f"a daemon did not come back: {told}")
        return told

    def master_lives(self) -> bool:
        return running_pid(self.layout.nodes[0].paths.daemon_pid(MASTERD)) is not None

    # Faults

    def order_crash(self, point: str, number: int) -> None:
        """Kill the master at the n-th passage of one of the journal's crash points."""
        self.crash_file.write_text(f"{point}:{number}")

    def take_back_crash(self) -> bool:
        """Whether the crash did not come."""
        existed = self.crash_file.exists()
        self.crash_file.unlink(missing_ok=True)
        return existed

    def order_strike(self, mode: str, number: int, *, questions: bool = False) -> None:
        """Let the n-th hook go wrong; also those that only ask, with `questions`."""
        draft = self.strike_file.with_suffix(".new")
        draft.write_text(json.dumps(
            {"mode": mode, "left": number, "calls": [], "questions": questions}))
        draft.replace(self.strike_file)

    def take_back_strike(self) -> tuple[bool, str]:
        """Whether it struck, and the call that it struck (else the last one)."""
        with self.strike_file.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            order = json.load(file)
            self.strike_file.unlink()
        killed = self.strike_file.with_name(f"{self.strike_file.name}.killed")
        if killed.exists():
            # Whoever sees its connection end may be faster than the kernel with the process.
            while _lives(int(killed.read_text())):
                time.sleep(0.005)
            killed.unlink()
        calls = order["calls"]
        struck = order["left"] <= 0
        return struck, calls[order["left"] - 1] if struck else (calls or [""])[-1]

    def forget_faults(self) -> None:
        self.crash_file.unlink(missing_ok=True)
        self.strike_file.unlink(missing_ok=True)

    # Jobs

    @property
    def client(self) -> LuxiClient:
        if self._client is None:
            self._client = LuxiClient(self.layout.nodes[0].paths.master_socket, timeout=PATIENCE)
        return self._client

    def forget_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def submit(self, *ops: dict[str, Any]) -> int:
        return self.client.submit_job(list(ops))

    def run(self, *ops: dict[str, Any]) -> Any:
        """Run a job that must succeed; answers the results of its opcodes."""
        job = self.submit(*ops)
        status, results = self.await_job(job)
        if status != "success":
            raise Unclean(f"{[op['OP_ID'] for op in ops]}: {status}: {results}")
        return results

    def await_job(self, job: int) -> tuple[str, Any]:
        """Wait for the end of a job.

        :raises ConnectionLost, NoMasterError: the master went away
        """
        seen = JobSeen(["status", "opresult"])
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self.client.wait_for_job_change(job, seen, wait=2.0)
            if seen.values and seen.values[0] in FINAL:
                return seen.values[0], seen.values[1]
        raise Unclean(f"job {job} does not end: {seen}; {self.client.explain_job(job)}")

    def outlive(self, job: int) -> tuple[str, Any]:
        """Wait for the end of a job, bringing the master back when it dies."""
        while True:
            try:
                return self.await_job(job)
            except (ConnectionLost, NoMasterError):
                self.forget_client()
                self.revive()

    def log_of(self, job: int) -> list[str]:
        """What a job has told its owner."""
        (row,) = self.client.query_jobs([job], ["oplog"])
        return [str(entry[3]) for op in row[0] for entry in op]

    # What is there

    def guests(self) -> dict[str, dict[str, str]]:
        """Guests as the nodes' own files have them: node → name → state."""
        return {node.name: dict(_guests_of(node)) for node in self.layout.nodes}

    def devices(self) -> dict[str, list[str]]:
        """The devices of running guests whose hypervisor plugs them: name → uuids."""
        return {path.stem: json.loads(path.read_text()) for node in self.layout.nodes
                for path in (node.paths.plugin_state / "hypervisors/plugging").glob("*.devices")}

    def lose_disks(self, name: str) -> None:
        """Let nothing be left of an instance's disks, on any node."""
        owner = next(uuid for uuid, found in self.objects("instance").items()
                     if found["name"] == name)
        for uuid, disk in self.objects("disk").items():
            if disk["instance"] == owner:
                for below in (disk, *disk.get("children", ())):
                    self._lose(uuid, _file_name(below) if below["logical_id"][1:] else "")

    def _lose(self, uuid: str, file: str) -> None:
        for folder in (self.layout.shared_files, *(
                node.root / part for node in self.layout.nodes for part in DISK_FOLDERS)):
            for path in _files(folder):
                if path.name == file or path.name.startswith(f"{uuid}."):
                    path.unlink()

    def disks(self) -> set[str]:
        """Disk files on all nodes: ``NODE:PATH``, and ``shared:PATH`` for those that all see."""
        found = {f"shared:{path.name}" for path in _files(self.layout.shared_files)
                 if path.parent.name != ".twin"}
        for node in self.layout.nodes:
            for folder in DISK_FOLDERS:
                found |= {f"{node.name}:{path.name}" for path in _files(node.root / folder)}
        return found

    def exports(self) -> list[Path]:
        """Folders of exports on all nodes; those of work under way begin with a dot."""
        return [path for node in self.layout.nodes
                for path in (node.root / "srv/ganeti/export").glob("*")]

    def objects(self, kind: str) -> dict[str, dict[str, Any]]:
        """Objects of the configuration as the master's disk has them."""
        return {uuid: json.loads(doc) for uuid, doc in self.rows(
            "SELECT uuid, doc FROM object WHERE kind = ?", kind)}

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.layout.nodes[0].paths.database, timeout=10)) as db:
            return db.execute(query, values).fetchall()

    def instance(self, name: str) -> dict[str, Any] | None:
        """An instance of the configuration; its primary node under ``node``."""
        names = {uuid: node["name"] for uuid, node in self.objects("node").items()}
        for found in self.objects("instance").values():
            if found["name"] == name:
                return found | {"node": names[found["primary_node"]]}
        return None

    # What must be true

    def problems(self) -> list[str]:
        """Everything in which the nodes differ from the configuration, and what is left over."""
        found: list[str] = []
        nodes = {uuid: node["name"] for uuid, node in self.objects("node").items()}
        instances = self.objects("instance")
        wanted: dict[str, dict[str, str]] = {name: {} for name in nodes.values()}
        for instance in instances.values():
            if instance.get("admin_state", "down") == "up":
                wanted[nodes[instance["primary_node"]]][instance["name"]] = "running"
        guests = self.guests()
        if guests != wanted:
            found.append(f"guests are {guests}, not {wanted}")
        if (devices := self.devices()) != (known := _wanted_devices(instances)):
            found.append(f"guests have the devices {devices}, not {known}")
        disks = self._wanted_disks(instances, nodes)
        if self.disks() != disks:
            found.append(f"disks are {self.disks()}, not {disks}")
        found += [f"an export is half made: {path}" for path in self.exports()
                  if path.name.startswith(".") or not (path / "config.ini").exists()]
        found += [f"of a helper guest is left: {path}" for node in self.layout.nodes
                  for path in (node.root / "srv/ganeti/helper").glob("*")]
        return found + self._left_over()

    def _owed(self) -> list[str]:
        """What is left over; the master may just have died of the fault that was ordered."""
        try:
            return self._left_over()
        except (ConnectionLost, NoMasterError) as exc:
            self.forget_client()
            return [str(exc)]

    def _left_over(self) -> list[str]:
        found: list[str] = []
        found += [f"undo is left: {row}" for row in self.rows("SELECT * FROM saga")]
        found += [f"a debt: {debt}" for debt in self.client.debts()]
        locks = self.client.query("lock", ["name", "owner", "pending"], None)["data"]
        found += [f"a lock is held: {row}" for row in locks if row[1][1] or row[2][1]]
        jobs = self.client.query_jobs(None, ["id", "status", "summary"])
        found += [f"a job is not ended: {row}" for row in jobs if row[1] not in FINAL]
        return found

    def down(self) -> list[str]:
        """Daemons that were down: they are started."""
        found = self.revive()
        if any(MASTERD in which for which in found):
            self.forget_client()
        # The pid file of one that is dying, or whose helpers are, is locked for a moment.
        found += [f"{state.node.name} {state.daemon}" for state in daemons(self.layout)
                  if state.pid is None or not _lives(state.pid) or not _listens(state)]
        return [f"{which} was down" for which in found]

    def repair(self) -> None:
        """Start what a job said it could not start, as a watcher does; verify must name it."""
        instances = self.objects("instance").values()
        guests = {name for names in self.guests().values() for name in names}
        down = [i["name"] for i in instances
                if i.get("admin_state") == "up" and i["name"] not in guests]
        findings = self.verify() if down else []
        for name in down:
            if not any("not running on its primary node" in finding for finding in findings):
                raise Unclean(f"verify does not say that {name} is down: {findings}")
            self.run({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name, "force": False})

    def _wanted_disks(
        self, instances: dict[str, dict[str, Any]], nodes: dict[str, str]
    ) -> set[str]:
        wanted = set()
        for disk in self.objects("disk").values():
            owner = instances[disk["instance"]]
            if disk["template"] == "twin":
                names = (f"{disk['uuid']}.twin", _file_name(disk["children"][0]))
                wanted |= {f"{nodes[node]}:{name}" for node in disk["nodes"] for name in names}
                continue
            where = "shared" if disk["template"] == "sharedfile" else nodes[owner["primary_node"]]
            wanted.add(f"{where}:{_file_name(disk)}")
        return wanted

    def settle(self, *, failed: bool = False) -> None:
        """Bring every daemon back, then wait until nothing is wrong any more.

        :param failed: the job said so: its guest may be down
        :raises Unclean: something stays wrong, or verify finds something
        """
        self.calm()
        if failed:
            self.repair()
        until = time.monotonic() + SETTLED
        while problems := self.problems():
            if time.monotonic() > until:
                raise Unclean("\n".join(problems))
            time.sleep(0.05)
        while findings := self.verify():
            # Copies that were let go are filled again, files that a node missed are sent again.
            if time.monotonic() > until or any(not PASSING.search(line) for line in findings
                                               if UNSOUND.search(line)):
                raise Unclean("verify: " + "; ".join(findings))
            time.sleep(0.2)

    def calm(self) -> None:
        """Bring every daemon back, then wait until nothing is owed and no job runs.

        :raises Unclean: something stays owed
        """
        until = time.monotonic() + SETTLED
        while problems := self.down() or self._owed():
            if time.monotonic() > until:
                raise Unclean("\n".join(problems))
            time.sleep(0.05)

    def verify(self) -> list[str]:
        """Run verify; answers its findings."""
        (answer,) = self.run({"OP_ID": "OP_CLUSTER_VERIFY", "skip_checks": ["nplusone_mem"]})
        findings = []
        for _, job in answer["jobs"]:
            status, results = self.await_job(job)
            wrong = [line for line in self.log_of(job) if UNSOUND.search(line)]
            findings += wrong
            if wrong or status != "success" or not all(results):
                findings.append(f"verify job {job}: {status} {results}")
        return findings


def _guests_of(node: VirtualNode) -> Iterator[tuple[str, str]]:
    # Looked at many times a second: no glob, no objects for paths.
    for driver in ("fake", "plugging"):
        folder = f"{node.paths.plugin_state}/hypervisors/{driver}"
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                if name.endswith(".guest"):
                    with suppress(FileNotFoundError), open(f"{folder}/{name}", "rb") as file:
                        guest = json.load(file)
                        yield guest["name"], HELPER if guest["ends"] else guest["state"]


def _wanted_devices(instances: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {found["name"]: sorted([*found["disks"], *(nic["uuid"] for nic in found["nics"])])
            for found in instances.values()
            if found["hypervisor"] == "plugging" and found.get("admin_state") == "up"}


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _listens(state: DaemonState) -> bool:
    if state.port is None:
        return True  # the master: who asks it anything sees that it is gone
    with socket.socket() as probe:
        return probe.connect_ex((state.node.address, state.port)) == 0


def _file_name(disk: dict[str, Any]) -> str:
    name: str = disk["logical_id"][1].rsplit("/", 1)[-1]
    return name


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def fault_cluster(root: Path, nodes: int, call_limit: float = 0.0) -> Iterator[FaultCluster]:
    """Make a cluster; `call_limit` shortens the deadlines of changing hooks, seconds."""
    crash, strike = root.parent / "crash", root.parent / "strike"
    plugins = root.parent / "plugins"
    install(plugins, "ganeti-twin", {"disk_templates:twin": "Twin"},
            (HERE.parent / "twin/ganeti_twin.py").read_text())
    install(plugins, "ganeti-plugging", {"hypervisors:plugging": "Plugging"},
            (HERE / "plugging.py").read_text())
    environment = os.environ | {
        CRASH_VARIABLE: str(crash), STRIKE_VARIABLE: str(strike),
        "PYTHONPATH": os.pathsep.join(
            [str(HERE / "striking"), str(plugins), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py"), str(root), str(nodes), str(call_limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as zygote:
        try:
            assert zygote.stdout is not None
            if not zygote.stdout.readline():
                raise GanetiError("the cluster did not come up")
            cluster = FaultCluster(Layout.load(root), zygote, crash, strike)
            image = root.parent / "helper.img"
            image.write_bytes(os.urandom(5000))
            for node in cluster.layout.nodes:
                _make_untrusted_os(node.root / "srv/ganeti/os" / UNTRUSTED)
            cluster.run({"OP_ID": "OP_CLUSTER_SET_PARAMS", "enabled_disk_templates": TEMPLATES,
                         "zeroing_image": str(image), "install_image": str(image),
                         "enabled_hypervisors": HYPERVISORS,
                         "ipolicy": {"disk-templates": TEMPLATES}})
            yield cluster
            cluster.forget_client()
        finally:
            assert zygote.stdin is not None
            zygote.stdin.close()
            zygote.wait(60)


def _make_untrusted_os(folder: Path) -> None:
    """An OS definition that installs in a helper guest."""
    folder.mkdir(parents=True)
    (folder / "ganeti_api_version").write_text("15\n")
    for name in ("create_untrusted", "import", "export", "rename"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


class Clusters(ExitStack):
    """Gives the tests of a module one cluster, and another one after a test that failed."""

    def __init__(self, place: Callable[[], Path], nodes: int = 3, call_limit: float = 0.0) -> None:
        super().__init__()
        self._make = lambda: fault_cluster(place(), nodes, call_limit)
        self._current: FaultCluster | None = None

    @contextmanager
    def clean(self) -> Iterator[FaultCluster]:
        """Lend a cluster; it is used again if it is clean then."""
        cluster, self._current = self._current, None
        if cluster is None:
            self.close()
            cluster = self.enter_context(self._make())
        yield cluster
        with suppress(GanetiError, AssertionError):
            cluster.forget_faults()
            if not (cluster.revive() or cluster.problems()):
                self._current = cluster
