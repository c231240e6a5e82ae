"""A cluster with one of everything that a verification can find, and what it finds."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import textwrap
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from virtual_cluster import Ran, VirtualCluster

from ganeti_core.plugin_api.testing.faults import write_faults

LINE = re.compile(r"  - (ERROR|WARNING|NOTICE):(E[A-Z0-9]+):([a-z]+):(.*?):(.*)$")
NEW = ("-o", "noop", "--no-install", "--no-name-check", "--no-ip-check")
FILE = ("-t", "file", "-s", "4M")
ELSEWHERE = "192.0.2.77"
"""An address that is for documentation only: nobody has it."""


class Finding(NamedTuple):
    level: str
    code: str
    kind: str
    name: str
    message: str


def findings(ran: Ran) -> list[Finding]:
    """What ``gnt-cluster verify --error-codes`` reported."""
    found = (LINE.search(line) for line in ran.lines)
    return [Finding(*match.groups()) for match in found if match]


def add(cluster: VirtualCluster, name: str, node: str, *options: str) -> None:
    chosen = options if "-t" in options else (*FILE, *options)
    memory = () if any(option.startswith("memory=") for option in options) else (
        "-B", "memory=16M")
    cluster.gnt("gnt-instance", "add", *chosen, *memory, *NEW, "-n", node, name)


def build(cluster: VirtualCluster) -> None:
    """Five nodes: the master alone has the configuration, ``node3`` is of another group."""
    cluster.gnt("gnt-cluster", "modify", "--candidate-pool-size=1")
    cluster.gnt("gnt-group", "add", "far")
    cluster.gnt("gnt-group", "assign-nodes", "--force", "far", "node3")
    for name in ("missing", "faulty", "down", "wrong", "policy", "exclusive", "split", "many",
                 "lost", "alien", "typo", "tagged1", "tagged2", "lonely", "offline"):
        add(cluster, f"{name}.example", {
            "exclusive": "node2", "lost": "node2", "offline": "node4"}.get(name, "node1"))
    cluster.gnt("gnt-instance", "modify", "-B", "auto_balance=no", "lonely.example")


def wound_by_commands(cluster: VirtualCluster) -> None:
    """What an administrator can do, some of it only by force."""
    cluster.gnt("gnt-cluster", "add-tags", "htools:iextags:service")
    for name in ("tagged1", "tagged2"):
        cluster.gnt("gnt-instance", "add-tags", f"{name}.example", "service:web")
    cluster.gnt("gnt-instance", "modify", "--ignore-ipolicy", "-B", "vcpus=20", "policy.example")
    cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=true", "node2")
    cluster.gnt("gnt-node", "modify", "--node-parameters", "oob_program=/nowhere/power", "node3")
    cluster.gnt("gnt-node", "modify", "-O", "yes", "--force", "node4")


def wound_files(cluster: VirtualCluster) -> None:
    """What happens on disks behind the daemons' backs."""
    one, two, three = (cluster.paths(f"node{number}") for number in (1, 2, 3))
    guests = one.plugin_state / "hypervisors" / "fake"
    (guests / "down.example.guest").unlink()
    moved = json.loads((guests / "wrong.example.guest").read_text())
    others = two.plugin_state / "hypervisors" / "fake"
    (others / "wrong.example.guest").write_text(json.dumps(moved))
    (others / "stranger.example.guest").write_text(json.dumps(moved | {"name": "stranger.example"}))
    disks = one.root / "srv/ganeti/file-storage"
    shutil.rmtree(disks / "missing.example")
    (disks / "stray").mkdir()
    (disks / "stray" / "old.file.disk0").write_bytes(b"x")
    (faulty,) = (disks / "faulty.example").iterdir()
    faulty.unlink()
    faulty.mkdir()
    different = two.data / "ssconf_cluster_name"
    different.chmod(0o644)
    different.write_text("another\n")
    (three.data / "ssconf_master_ip").unlink()
    (two.data / "ssconf_uid_pool").unlink()
    (two.data / "ssconf_uid_pool").mkdir()
    shutil.copy(one.ca_key, three.ca_key)
    (one.etc / "file-storage-paths").write_text("/srv/ganeti/file-storage\n/etc/disks\n")
    shutil.rmtree(three.root / "srv/ganeti/file-storage")
    (three.root / "srv/ganeti/file-storage").write_text("no folder")
    (three.root / "srv/ganeti/shared-file-storage").unlink()  # a link to one of all nodes
    three.node_key.chmod(0o644)
    one.node_key.chmod(0o640)
    write_faults(three.etc / "fake-faults.json", {
        "verify": {"mode": "fail", "message": "no more guests"}})
    scripts = one.scripts / "cluster-verify-post.d"
    scripts.mkdir(exist_ok=True)
    (scripts / "notes").write_text("to do")
    (scripts / "check").write_text("#!/bin/sh\necho the fan is loud\nexit 1\n")
    (scripts / "check").chmod(0o755)


def edit_config(cluster: VirtualCluster) -> None:
    """What no command allows: a configuration that contradicts itself.

    The master is down, and no other node has a copy.
    """
    with closing(sqlite3.connect(cluster.paths().database)) as database:
        rows = database.execute("SELECT kind, uuid, doc FROM object").fetchall()
        docs = {(kind, doc.get("name", kind)): doc for kind, _, text in rows
                for doc in [json.loads(text)]}
        uuids = {name: doc["uuid"] for (kind, name), doc in docs.items()
                 if kind in ("node", "nodegroup")}

        def change(kind: str, name: str, **values: Any) -> None:
            doc = docs[kind, name] | values
            database.execute("UPDATE object SET doc = ? WHERE kind = ? AND uuid = ?",
                             (json.dumps(doc), kind, doc["uuid"]))

        two, three = uuids["node2.example.com"], uuids["node3.example.com"]
        change("instance", "split.example", secondary_nodes=[three])
        change("instance", "many.example", secondary_nodes=[two, "0ff1ce"],
               beparams={"minmem": 10**9, "maxmem": 10**9})
        change("instance", "lost.example", primary_node="0ff1ce")
        change("instance", "alien.example", hypervisor="gone", os="vanished")
        change("instance", "typo.example", hvparams={"migration_mode": 7})
        change("nodegroup", "far", ipolicy={"disk-templates": ["plain"]})
        change("node", "node2.example.com", secondary_ip=ELSEWHERE)
        change("node", "node5.example.com", group="0ff1ce")
        database.commit()


SHIFTED = """
    import time
    from ganeti_core.plugin_api import all_kinds
    real = time.time
    time.time = lambda: real() + 1000
    for name, kind in all_kinds.KINDS.items():
        if name == "collectors":
            object.__setattr__(kind, "api", 7)
"""
SYSTEM = """
    from ganeti_core.plugin_api import Description, hookimpl
    from ganeti_core.plugin_api.data import OsInfo

    class System:
        @hookimpl
        def describe(self):
            return Description(api_version=0, title="On one node only")

        @hookimpl
        def info(self, ctx):
            return OsInfo("only-here", "/only/here", problem="it needs a key")

        @hookimpl
        def validate(self, ctx, variant, params, force_variant): ...

        @hookimpl
        def create(self, ctx, instance, variant, reinstall): ...
"""


def _entry_points(distribution: str) -> str:
    return metadata.distribution(distribution).read_text("entry_points.txt") or ""


def run_another_release(cluster: VirtualCluster, node: str, folder: Path) -> None:
    """Start a node's daemon as of another release, with a clock that is ahead and one more OS."""
    cluster.tool("stop", node, "ganeti-noded")
    for name, version, points in (
            ("ganeti_core", "99.0", _entry_points("ganeti-core")),
            ("only_here", "1.0", "[ganeti.os]\nonly-here = only_here_system:System\n"
             "[ganeti.hypervisors]\nbroken = only_here_nowhere:Nothing\n")):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
    (folder / "only_here_system.py").write_text(textwrap.dedent(SYSTEM))
    (folder / "shifted.py").write_text(textwrap.dedent(SHIFTED))
    start = ("import shifted; from ganeti_core.daemons.noded import main; import sys; "
             "sys.exit(main([]))")
    ran = cluster.on(node, "env", f"PYTHONPATH={folder}", sys.executable, "-c", start)
    assert ran.status == 0, ran
