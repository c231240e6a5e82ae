"""A virtual cluster as tests use it: real daemons, reached through the commands of the project."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from command_server import CommandServer, commands

from ganeti_core.config.replica import Position, position_of
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.paths import Paths

SCRIPTS = Path(sysconfig.get_path("scripts"))
MAKES_A_CLUSTER = ("gnt-vcluster", "up")
UNSOUND = re.compile(r"- ERROR|is degraded|volume \S+ is unknown")
"""What ``gnt-cluster verify`` says of a cluster in which something is wrong or left behind."""
PATIENCE = 60.0
"""Seconds for what takes one, on a machine that is busy with something else."""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    words: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def __str__(self) -> str:
        return f"{' '.join(self.words)}: status {self.status}\n{self.stdout}{self.stderr}"


def run(*words: str, stdin: str = "", environment: dict[str, str] | None = None,
        timeout: float = 300.0) -> Ran:
    """Run one of the project's commands, or any other program."""
    own = SCRIPTS / words[0]
    wanted = os.environ | (environment or {})
    if words[0] in _commands() and (
            server := _SERVERS.of(wanted, many=words[:2] == MAKES_A_CLUSTER)) is not None:
        done = server.run(list(words), stdin=stdin, timeout=timeout, environment=wanted)
        return Ran(words, done.status, done.stdout, done.stderr)
    ended = subprocess.run(
        [str(own) if own.exists() else words[0], *words[1:]], input=stdin, timeout=timeout,
        capture_output=True, text=True, env=wanted)
    return Ran(words, ended.returncode, ended.stdout, ended.stderr)


@cache
def _commands() -> frozenset[str]:
    return frozenset(commands())


class _Servers:
    """The server of commands in the tests' own environment, and one of the last other environment
    in which enough were run."""

    ENOUGH = 4
    """Commands that cost as much as the start of a server."""

    def __init__(self) -> None:
        self._own: CommandServer | None = None
        self._other: CommandServer | None = None
        self._key = _for_python(os.environ)
        self._other_key: dict[str, str] = {}
        self._seen = 0

    def of(self, environment: Mapping[str, str], *, many: bool) -> CommandServer | None:
        """The one for commands in `environment`; None where they start interpreters themselves.

        :param many: many others will follow in that environment
        """
        key = _for_python(environment)
        if key == self._key:
            self._own = self._own or CommandServer()
            return self._own
        if key != self._other_key:
            if self._other is not None:
                self._other.close()
            self._other, self._other_key, self._seen = None, key, 0
        self._seen += 1
        if self._other is None and (many or self._seen > self.ENOUGH):
            self._other = CommandServer(environment)
        return self._other


def _for_python(environment: Mapping[str, str]) -> dict[str, str]:
    """What an interpreter reads when it starts, such as the path of modules, and what is kept of
    the entry points there."""
    return {name: value for name, value in environment.items()
            if name.startswith("PYTHON") or name == "XDG_CACHE_HOME"}


_SERVERS = _Servers()


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE,
               pause: float | None = None) -> Any:
    """Ask until the answer is true; give that answer.

    :param pause: seconds between two questions; without it they grow with the time waited, for
        most questions are commands, which take from the processor what is waited for
    """
    began = time.monotonic()
    while not (answer := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, f"not in {seconds:g} seconds: {what}"
        time.sleep(min(max(0.02, waited / 16), 0.25) if pause is None else pause)
    return answer


@dataclass(frozen=True)
class VirtualCluster:
    """A running virtual cluster below `root`; ``node1`` is its master at first."""

    root: Path

    def tool(self, *words: str) -> Ran:
        """Run ``gnt-vcluster WORDS`` for this cluster; it must succeed."""
        ran = run("gnt-vcluster", words[0], "--root", str(self.root), *words[1:])
        assert ran.status == 0, ran
        return ran

    def on(self, node: str, *words: str, stdin: str = "", timeout: float = 300.0) -> Ran:
        """Run a command as on `node`, whatever its status."""
        # What `gnt-vcluster exec` does, without starting it.
        environment = Layout.load(self.root).node(node).environment()
        return run(*words, stdin=stdin, environment=environment, timeout=timeout)

    def try_(self, *words: str, stdin: str = "", timeout: float = 300.0) -> Ran:
        """Run a command on the master, whatever its status."""
        return self.on("master", *words, stdin=stdin, timeout=timeout)

    def gnt(self, *words: str, stdin: str = "", timeout: float = 300.0) -> Ran:
        """Run a command on the master; it must succeed."""
        ran = self.try_(*words, stdin=stdin, timeout=timeout)
        assert ran.status == 0, ran
        return ran

    def table(self, tool: str, command: str, *words: str) -> list[list[str]]:
        """The rows of a listing: ``table("gnt-node", "list", "-o", "name,role")``."""
        shown = self.gnt(tool, command, "--no-headers", "--separator=|", *words)
        return [line.split("|") for line in shown.lines]

    def submit(self, tool: str, command: str, *words: str) -> str:
        """Run a command without waiting for its job; give the job's number."""
        return self.gnt(tool, command, "--submit", *words).stderr.split()[-1]

    def status(self) -> dict[str, dict[str, Any]]:
        """What ``gnt-vcluster status --json`` says, by the short names of the nodes."""
        told = json.loads(self.tool("status", "--json").stdout)
        return {node["name"].split(".", 1)[0]: node for node in told["nodes"]}

    def paths(self, node: str = "node1") -> Paths:
        return Paths(self.root / node)

    @contextmanager
    def luxi(self) -> Iterator[LuxiClient]:
        with LuxiClient(self.paths().master_socket) as client:
            yield client

    def instances(self, *fields: str) -> list[list[str]]:
        return self.table("gnt-instance", "list", "-o", ",".join(fields or ("name",)))

    def verify(self) -> None:
        """Wait until ``gnt-cluster verify`` finds nothing: debts are paid, copies filled meanwhile.
        """
        last: list[Ran] = []

        def clean() -> bool:
            last[:] = [self.try_("gnt-cluster", "verify")]
            return last[0].status == 0 and not UNSOUND.search(last[0].stdout)

        try:
            wait_until(clean, "a clean cluster", pause=0.5)
        except AssertionError:
            raise AssertionError(str(last[0])) from None

    def wait_for_copies(self, *nodes: str, master: str = "node1") -> None:
        """Wait until these candidates have all that the master has committed by now.

        One that was away, or too slow for a commit, is brought up to date a while later.
        """
        wanted = self._position(master)
        for node in nodes:
            wait_until(lambda node=node: self._position(node) >= wanted,
                       f"the copy on {node} is at {wanted}", seconds=60.0)

    def _position(self, node: str) -> Position:
        database = self.paths(node).database
        try:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
                return position_of(dict(db.execute("SELECT key, value FROM meta")))
        except sqlite3.Error:
            return Position(0, 0)  # it is being replaced by a whole copy

    def bring_back(self) -> None:
        """Start what a test has stopped; returns when the daemons serve."""
        self.tool("start")


def processes_of(root: Path) -> list[str]:
    """Live processes of the cluster, or of the one node, in `root`: daemons, workers, guests.

    They have a file of it open, such as their log, or name it on their command line.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = os.fsdecode((entry / "cmdline").read_bytes()).replace("\0", " ").strip()
                files = [os.readlink(link) for link in (entry / "fd").iterdir()]
            except OSError:
                continue
            # Whoever only waits to be reaped has neither.
            if any(name.startswith(f"{root}/") for name in files) or f"{root}/" in line:
                found.append(f"{entry.name}: {line}")
    return found


@contextmanager
def virtual_cluster(root: Path, *options: str) -> Iterator[VirtualCluster]:
    """Make a cluster, and end it so that no process of it is left; its logs stay."""
    made = run("gnt-vcluster", "up", "--root", str(root), *options, timeout=600.0)
    try:
        assert made.status == 0, made
        yield VirtualCluster(root)
    finally:
        ended = run("gnt-vcluster", "down", "--keep", "--root", str(root))
    assert ended.status == 0, ended
    wait_until(lambda: not processes_of(root), f"no process outlives the cluster in {root}")
