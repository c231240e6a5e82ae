"""Clusters with things missing, and command lines to ask about them; reproducible from a seed.

    python tests/plugins/iallocator_hail/odd_clusters.py

writes what Ganeti's programs give for them, where they are installed (see `reference`), to the
file of recorded runs.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from clusters import Shape, build, new_instance, request
from golden import DATA, Case

from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.records import (
    DEFAULT_POLICY,
    STATUSES,
    Description,
    Group,
    Instance,
    Node,
)

RECORDED: Final = "odd"
SEEDS: Final = range(24)
VARIABLE: Final = "GANETI_HTOOLS"
"""The environment variable that names Ganeti's binary where it is not where a package has it."""

_LACKS: Final[tuple[dict[str, Any], ...]] = (
    {"spindles": 0}, {"total_cpus": 0.0}, {"total_memory": 0.0, "node_memory": 0,
     "free_memory": 0}, {"total_disk": 0.0, "free_disk": 0}, {"free_disk": 0}, {"free_memory": 0},
    {"offline": True}, {"free_spindles": 3, "spindles": 4}, {"node_cpus": 40}, {"cpu_speed": 2.0},
)
_TOOLS: Final = ("hbal", "hcheck", "hinfo", "hspace", "hroller", "hsqueeze")


@dataclass(frozen=True)
class Asked:
    """A command line with its files."""

    tool: str
    name: str
    argv: list[str]
    files: dict[str, str]


def an_odd_cluster(seed: int) -> Description:
    """Every other one has only nodes with all that the score divides by."""
    rng = random.Random(seed)
    shape = Shape(
        rng.randint(1, 6), rng.randint(0, 9), memory=rng.choice((16384, 65536)), disk=1 << 20,
        templates=tuple(rng.sample(("drbd", "plain", "file", "ext", "sharedfile", "diskless"), 3)))
    if shape.nodes == 1:
        shape = replace(shape, templates=("plain", "file", "ext"))
    made = build(shape, seed)
    lacks = _LACKS if seed % 2 else _LACKS[3:]
    nodes = tuple(
        replace(node, **rng.choice(lacks)) if rng.random() < 0.4 else node for node in made.nodes)
    policy = replace(
        DEFAULT_POLICY, vcpu_ratio=rng.choice((4.0, 4.0, 1.5)),
        spindle_ratio=rng.choice((32.0, 32.0, 2.0) if seed % 2 == 0 else (32.0, 0.0)))
    groups = (replace(made.groups[0], policy=policy), *(
        (Group("empty", "uuid-empty", policy=policy),) if rng.random() < 0.4 else ()))
    return replace(
        made, nodes=nodes, groups=groups, policy=policy,
        instances=tuple(_odd(rng, item, nodes) for item in made.instances))


def _odd(rng: random.Random, item: Instance, nodes: tuple[Node, ...]) -> Instance:
    if nodes[item.primary].offline:
        return replace(item, status="ERROR_nodeoffline")
    status = rng.choice(STATUSES[:6]) if rng.random() < 0.4 else "running"
    return replace(item, status=status, auto_balance=rng.random() < 0.9)


def asked_of(seed: int) -> Iterator[Asked]:
    """What is asked about one cluster."""
    rng = random.Random(f"asked {seed}")
    cluster = an_odd_cluster(seed)
    files = {"c.data": dump_text(cluster)}
    for tool in _TOOLS:
        argv = ["-t", "c.data"]
        if tool == "hspace":
            template = rng.choice(("drbd", "plain", "file", "ext"))
            argv += ["--machine-readable", "--disk-template", template]
        if tool == "hroller":
            argv.append("-f")
        if tool in ("hbal", "hcheck"):
            argv += ["-G", cluster.groups[0].name] if tool == "hbal" else ["--machine-readable"]
        yield Asked(tool, f"{tool}-{seed}", argv, files)
    for kind, members in _requests(rng, cluster):
        document = json.dumps(_known(request(cluster, members), cluster))
        yield Asked("hail", f"hail-{seed}-{kind}", ["r.json"], {"r.json": document})


def _requests(rng: random.Random, cluster: Description) -> Iterator[tuple[str, dict[str, Any]]]:
    for template in ("file", "plain", "drbd"):
        yield template, {"type": "allocate", **new_instance("new", template, 1024, 1024)}
    names = [item.name for item in cluster.instances]
    if names:
        some = rng.sample(names, min(3, len(names)))
        for mode in ("primary-only", "secondary-only", "all"):
            yield mode, {"type": "node-evacuate", "instances": some, "evac_mode": mode}


def _known(document: dict[str, Any], cluster: Description) -> dict[str, Any]:
    """The document with what it can say of an instance's state, and no more."""
    for item in cluster.instances:
        state = {"ADMIN_down": "down", "ADMIN_offline": "offline"}.get(item.status, "up")
        document["instances"][item.name]["admin_state"] = state
    return document


def reference() -> str | None:
    """Ganeti's own binary, None where there is none."""
    named = os.environ.get(VARIABLE)
    return named or shutil.which("hbal", path="/usr/bin:/usr/local/bin")


def run_reference(binary: str, asked: Asked) -> Case:
    """What Ganeti's program gives."""
    with tempfile.TemporaryDirectory() as name:
        for file, text in asked.files.items():
            (Path(name) / file).write_text(text, encoding="utf-8")
        ran = subprocess.run(
            [binary, *asked.argv], cwd=name, capture_output=True, text=True, timeout=120,
            env={**os.environ, "HTOOLS": asked.tool, "LC_ALL": "C.UTF-8"})
    return Case(asked.name, asked.argv, ran.returncode, False, ran.stdout, ran.stderr,
                asked.files, {})


def main() -> None:
    """Record."""
    binary = reference()
    if binary is None:
        raise SystemExit(f"no htools here: set {VARIABLE} to the path of Ganeti's binary")
    cases = [asdict(run_reference(binary, asked)) for seed in SEEDS for asked in asked_of(seed)]
    text = json.dumps(cases, sort_keys=True)
    (DATA / f"{RECORDED}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))


if __name__ == "__main__":
    main()
