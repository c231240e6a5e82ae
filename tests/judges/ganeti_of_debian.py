"""Ganeti's own programs and libraries, as Debian has them: where they lie, how they are asked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from virtual_cluster import Ran, VirtualCluster

PYTHON = "/usr/bin/python3"
"""Debian's libraries are for Debian's Python."""
PROGRAM = Path(__file__).with_name("library_server.py")
UNPACKED = Path(__file__).parents[2] / ".cache/ganeti"
"""Where ``make packages`` unpacks what is not installed."""
NODE = "node1.example.com"


def tools() -> Path | None:
    """The folder of Ganeti's htools."""
    return next((found.parent for found in Path("/usr/lib/ganeti").glob("*/usr/bin/htools")), None)


def library() -> Path | None:
    """The folder of Ganeti's Python library and its commands."""
    for top in (Path("/"), UNPACKED):
        for found in sorted(top.glob("usr/share/ganeti/*/gnt-instance"), reverse=True):
            if _imports("ganeti.cli", found.parent):
                return found.parent
    return None


def has_rapi_client() -> bool:
    return _imports("ganeti.rapi.client")


def _imports(module: str, folder: Path | None = None) -> bool:
    """Whether Debian's Python has a module and all that it needs."""
    return Path(PYTHON).exists() and subprocess.run(
        [PYTHON, "-c", f"import {module}"], capture_output=True, env=_environment(folder),
    ).returncode == 0


def _environment(folder: Path | None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return clean | ({"PYTHONPATH": str(folder)} if folder else {})


class Failed(Exception):
    """What the library raised.

    :param sort: the exception's class
    :param code: the HTTP status, for errors of the remote API
    """

    def __init__(self, sort: str, text: str, code: int | None) -> None:
        super().__init__(f"{sort}: {text}")
        self.sort, self.text, self.code = sort, text, code


@dataclass
class Library:
    """A client object of Ganeti's in a process of Debian's Python; methods go by their names."""

    process: subprocess.Popen[str]
    methods: Sequence[str] = ()
    called: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*args: Any, **named: Any) -> Any:
            self.called.add(name)
            return self.ask(name, *args, **named)
        return ask

    def ask(self, method: str, *args: Any, **named: Any) -> Any:
        """Call a method; what it returns has been JSON meanwhile.

        :raises Failed: it raised something
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, args, named]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the library has ended at {method}"
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(*answer["error"])
        return answer["result"]


@contextmanager
def served_library(*words: str, folder: Path | None = None) -> Iterator[Library]:
    """Start the library; `words` say which client and where it connects to."""
    with subprocess.Popen([PYTHON, PROGRAM, *words], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, env=_environment(folder)) as process:
        one = Library(process)
        one.methods = one.ask("methods")
        yield one
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True)
class Commands:
    """Ganeti's own commands, run as on the master of a cluster."""

    cluster: VirtualCluster
    folder: Path
    root: Path

    @classmethod
    def of(cls, cluster: VirtualCluster, folder: Path, scratch: Path) -> Commands:
        """Make what they take for the node's root: its last part must be the node's name."""
        root = scratch / NODE
        root.mkdir()
        for name in ("var", "etc", "srv"):
            (root / name).symlink_to(cluster.root / "node1" / name)
        return cls(cluster, folder, root)

    def try_(self, tool: str, *words: str) -> Ran:
        """Run one, whatever its status."""
        line = [PYTHON, str(self.folder / tool), *words]
        done = subprocess.run(
            line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
            env=_environment(self.folder) | {
                "GANETI_ROOTDIR": str(self.root), "GANETI_HOSTNAME": NODE})
        return Ran((tool, *words), done.returncode, done.stdout, done.stderr)

    def run(self, tool: str, *words: str) -> Ran:
        """Run one; it must succeed."""
        ran = self.try_(tool, *words)
        assert ran.status == 0, ran
        return ran
