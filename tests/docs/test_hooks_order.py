"""Which hooks an operation calls, on which node and in which order: the page of it is true."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_party import install
from virtual_cluster import VirtualCluster

PAGE = Path(__file__).resolve().parents[2] / "docs/hooks_order.md"
WITNESS = '''
import functools, inspect, os
from ganeti_core.plugin_api import hookimpl
from ganeti_core.plugin_api.all_kinds import KINDS


def hypervisors():
    return Witness(KINDS["hypervisors"])


def disk_templates():
    return Witness(KINDS["disk_templates"])


def os_definitions():
    return Witness(KINDS["os"])


class Witness:
    """Notes each call of a hook that changes a node."""

    def __init__(self, kind):
        for name, hook in kind.hooks().items():
            if kind.hook_where(name).changes and name != "recover":
                setattr(self, name, hookimpl(wrapper=True)(noted(kind.name, hook)))


def noted(kind, hook):
    names = [name for name in inspect.signature(hook).parameters if name != "self"]

    @functools.wraps(hook)
    def wrapper(*values):
        ctx = values[names.index("ctx")]
        with open(os.environ["GANETI_WITNESS"], "a") as file:
            file.write(f"{ctx.node} {kind} {hook.__name__}\\n")
        return (yield)

    return wrapper
'''
NEW = ("-o", "noop", "-B", "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check")
NAMES = {"node1.example.com": "primary", "node2.example.com": "target"}
Run = Callable[..., None]


@pytest.fixture(scope="module")
def seen(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What each operation has called, as the page has it."""
    folder = tmp_path_factory.mktemp("witness")
    notes = folder / "notes"
    install(folder / "packages", "ganeti-witness", {
        "wrappers:hypervisors": "hypervisors", "wrappers:disk_templates": "disk_templates",
        "wrappers:os": "os_definitions"}, WITNESS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder / "packages"), prepend=os.pathsep)
        patch.setenv("GANETI_WITNESS", str(notes))
        cluster = make_cluster("--nodes", "2", "--hypervisor", "fake", "--disk-templates",
                               "sharedfile,file")
        yield watch(cluster, notes)


def watch(cluster: VirtualCluster, notes: Path) -> dict[str, str]:
    found = {}

    def run(
        name: str, *words: str, at: str = "node1.example.com", tool: str = "gnt-instance"
    ) -> None:
        notes.write_text("")
        cluster.gnt(tool, *words)
        roles = NAMES if at == "node1.example.com" else {
            "node2.example.com": "primary", "node1.example.com": "target"}
        found[f"{tool} {name}"] = ", ".join(_merged(notes.read_text(), roles))

    run("add", "add", "-t", "sharedfile", "-s", "1M", "-n", "node1", *NEW, "inst1")
    run("reboot --type=hard", "reboot", "--type=hard", "inst1")
    run("reboot --type=full", "reboot", "--type=full", "inst1")
    run("migrate", "migrate", "-f", "-n", "node2", "inst1")
    run("failover, it runs", "failover", "-f", "-n", "node1", "inst1", at="node2.example.com")
    run("shutdown", "shutdown", "inst1")
    run("modify --disk add, it is stopped", "modify", "--disk", "add:size=1M,name=data", "inst1")
    run("modify --disk N:detach, it is stopped", "modify", "--disk", "1:detach", "inst1")
    cluster.gnt("gnt-instance", "modify", "--disk", "attach:name=data", "inst1")
    run("modify --disk remove, it is stopped", "modify", "--disk", "remove", "inst1")
    run("failover, it is stopped", "failover", "-f", "-n", "node2", "inst1")
    run("startup", "startup", "inst1", at="node2.example.com")
    cluster.gnt("gnt-instance", "shutdown", "inst1")
    run("reinstall", "reinstall", "-f", "inst1", at="node2.example.com")
    run("grow-disk, it is stopped", "grow-disk", "inst1", "0", "1M", at="node2.example.com")
    run("activate-disks", "activate-disks", "inst1", at="node2.example.com")
    run("deactivate-disks", "deactivate-disks", "inst1", at="node2.example.com")
    for disk in (cluster.root / "shared").rglob("*.disk0"):
        disk.unlink()
    run("recreate-disks", "recreate-disks", "inst1", at="node2.example.com")
    run("rename", "rename", "-f", "--no-name-check", "--no-ip-check", "inst1", "inst2",
        at="node2.example.com")
    cluster.gnt("gnt-instance", "startup", "inst2")
    run("export --long-sleep, it runs", "export", "--long-sleep", "-n", "node1", "inst2",
        at="node2.example.com", tool="gnt-backup")
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", "inst2")
    run("remove", "remove", "-f", "inst2", at="node2.example.com")
    run("import", "import", "-n", "node1", "--no-name-check", "--no-ip-check", "inst2",
        tool="gnt-backup")
    cluster.gnt("gnt-instance", "add", "-t", "file", "-s", "1M", "-n", "node1", *NEW, "inst3")
    run("move, it runs", "move", "-f", "-n", "node2", "--shutdown-timeout=0", "inst3")
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", "inst3")
    run("move, it is stopped", "move", "-f", "-n", "node1", "inst3", at="node2.example.com")
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-n", "node1", *NEW,
                "--no-start", "inst4")
    run("modify -t file, it is stopped", "modify", "-t", "file", "inst4")
    return found


def _merged(text: str, roles: dict[str, str]) -> Iterator[str]:
    """The calls in order; the node is named where it is another one than before."""
    before = ""
    for line in text.splitlines():
        node, kind, hook = line.split()
        yield f"{'' if roles[node] == before else f'{roles[node]}: '}`{kind}.{hook}`"
        before = roles[node]


def test_the_page_says_what_happens(seen: dict[str, str]) -> None:
    rows = re.findall(r"(?m)^\| `(gnt-[^`]*)`([^|]*) \| (.*) \|$", PAGE.read_text())
    told = {command + state: calls for command, state, calls in rows}
    assert told == seen, "\n".join(_row(name, calls) for name, calls in seen.items())


def _row(name: str, calls: str) -> str:
    command, comma, state = name.partition(",")
    return f"| `{command}`{comma}{state} | {calls} |"
