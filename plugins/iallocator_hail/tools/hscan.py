"""hscan: collects cluster data into files, for the other programs to work on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import LoadError, PlacementError
from ..formats.haskell import fixed
from ..formats.luxi import load_luxi
from ..formats.rapi import load_rapi
from ..formats.text_dump import dump_text
from ..model.build import BuildOptions, build
from ..model.cluster import Cluster, all_nodes
from ..model.remarks import left_out
from ..model.score import Scorer
from ..records import Description
from .groups import failing
from .options import DEFAULT_SOCKET
from .output import note, say
from .program import Tool, execute
from .settings import Settings
from .tables import print_nodes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    local = settings.luxi is not None or not words
    names = [*(["LOCAL"] if local else []), *words]
    width = max(map(len, names))
    if settings.headers:
        titles = ("Nodes", "Inst", "BNode", "BInst", "t_mem", "f_mem", "t_disk", "f_disk")
        columns = " ".join(f"{title:>{6 if '_' in title else 5}}" for title in titles)
        say(f"{'Name':<{width}} {columns} {'Score':>10}")
    results = [_scan(name, settings, width) for name in names]
    return 0 if all(results) else 2


def _load(name: str, settings: Settings) -> Description:
    if name == "LOCAL":
        try:
            return load_luxi(settings.luxi or DEFAULT_SOCKET)
        except LoadError as exc:
            raise PlacementError(str(exc)) from exc
    return load_rapi(name)


def _scan(name: str, settings: Settings, width: int) -> bool:
    try:
        description = _load(name, settings)
        cluster = build(description, BuildOptions(kvm_node_memory=settings.kvm_node_memory))
    except LoadError as exc:
        note(f"\nError for {name}: failed to load data. Details:\n{exc}")
        return False
    for text in left_out(description):
        note(f"Warning: {text}")
    print_nodes(cluster, settings.print_nodes, name)
    say(f"{name:<{width}} {_summary(cluster)}")
    path = Path(settings.output_dir) / f"{name.replace('/', '_').replace(':', '_')}.data"
    try:
        path.write_text(dump_text(description), encoding="utf-8")
    except OSError as exc:
        note(f"{path}: cannot be written: {exc.strerror}")
        return False
    return True


def _summary(cluster: Cluster) -> str:
    nodes = all_nodes(cluster)
    bad = failing(cluster, nodes)
    members = {i for n in bad.tolist() for i in cluster.primaries[n] + cluster.secondaries[n]}
    site, state = cluster.site, cluster.state
    return (
        f"{len(nodes):5d} {len(cluster.instances):5d} {len(bad):5d} {len(members):5d} "
        f"{site.total_mem.sum():6.0f} {state.free_mem.sum():6.0f} "
        f"{site.total_disk.sum() / 1024:6.0f} {state.free_disk.sum() // 1024:6.0f} "
        f"{fixed(Scorer(cluster, nodes).base(), 8):>10}"
    )


_TOOL = Tool(
    "hscan",
    ("print-nodes", "output-dir", "luxi", "verbose", "no-headers", "static-kvm-node-memory"),
    _run,
    arguments=("host", 0, 99),
)
