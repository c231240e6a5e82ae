"""Tables of nodes and instances as the programs print them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..formats.haskell import fixed
from ..model.arrays import Floats, Ints, whole
from ..model.cluster import Cluster
from ..model.score import free_disk_share
from ..records import RUNNING_STATUSES
from .output import note
from .sources import node_aliases

_DEFAULT = (
    "status", "name", "tmem", "nmem", "imem", "xmem", "fmem", "umem", "rmem", "tdsk", "fdsk",
    "tcpu", "ucpu", "pcnt", "scnt", "pfmem", "pfdsk", "rcpu", "cload", "mload", "dload", "nload",
)


@dataclass(slots=True)
class _Nodes:
    """A cluster and its node names, handed to every field."""

    cluster: Cluster
    short: list[str]

    def row(self, name: str) -> Floats:
        return np.asarray(getattr(self.cluster.state, name))


Field = Callable[[_Nodes, int], str]


def _integer(name: str) -> Field:
    return lambda nodes, index: str(int(nodes.row(name)[index]))


def _decimals(name: str) -> Field:
    return lambda nodes, index: fixed(nodes.row(name)[index], 3)


def _status(nodes: _Nodes, index: int) -> str:
    if nodes.cluster.site.offline[index]:
        return "-"
    return "*" if nodes.row("failing")[index] else " "


def _instance_memory(nodes: _Nodes, index: int) -> str:
    cluster = nodes.cluster
    total = whole(cluster.site.total_mem[index]) - cluster.figures.node_mem[index]
    missing = max(0.0, float(cluster.figures.missing_mem[index]))
    return str(int(total - missing - nodes.row("free_mem")[index]))


def _total(name: str, divisor: float = 1.0) -> Field:
    return lambda nodes, index: fixed(getattr(nodes.cluster.site, name)[index] / divisor, 0)


def _figure(name: str) -> Field:
    return lambda nodes, index: str(int(getattr(nodes.cluster.figures, name)[index]))


def _free_memory_share(nodes: _Nodes, index: int) -> str:
    share = nodes.row("free_mem")[index] / nodes.cluster.site.total_mem[index]
    return fixed(share, 4)


def _free_disk_share(nodes: _Nodes, index: int) -> str:
    share = free_disk_share(nodes.cluster.site_of(index), nodes.cluster.view(index))
    return fixed(float(share), 4)


def _cpu_share(nodes: _Nodes, index: int) -> str:
    share = nodes.row("cpus")[index] / nodes.cluster.site.total_cpus[index]
    return fixed(share, 2)


def _listed(name: str) -> Field:
    def show(nodes: _Nodes, index: int) -> str:
        base = nodes.cluster.description.first_index
        items = getattr(nodes.cluster, name)[index]
        return "[" + ",".join(str(item + base) for item in items) + "]"

    return show


def _tags(nodes: _Nodes, index: int) -> str:
    names = nodes.cluster.labels.exclusion_names
    counts = nodes.cluster.tags[index]
    return ",".join(f"{name}={int(n)}" for name, n in zip(names, counts, strict=True) if n > 0)


def _peers(nodes: _Nodes, index: int) -> str:
    base = nodes.cluster.description.first_index
    row = nodes.cluster.peers[index]
    # Largest first; of equal ones, the one that was touched last.
    touched = [int(nodes.cluster.primary[i]) for i in nodes.cluster.secondaries[index]]
    pairs = [(peer, row[peer]) for peer in dict.fromkeys(touched)]
    pairs.sort(key=lambda pair: -pair[1])
    return "[" + ",".join(f"({peer + base},{int(value)})" for peer, value in pairs) + "]"


_FIELDS: dict[str, tuple[str, bool, Field]] = {
    "idx": (
        "Index",
        True,
        lambda nodes, index: str(index + nodes.cluster.description.first_index),
    ),
    "name": ("Name", False, lambda nodes, index: nodes.short[index]),
    "fqdn": ("Name", False, lambda nodes, index: nodes.cluster.description.nodes[index].name),
    "status": ("F", False, _status),
    "tmem": ("t_mem", True, _total("total_mem")),
    "nmem": ("n_mem", True, _figure("node_mem")),
    "xmem": ("x_mem", True, _figure("missing_mem")),
    "fmem": ("f_mem", True, _figure("reported_mem")),
    "umem": ("u_mem", True, _integer("free_mem")),
    "imem": ("i_mem", True, _instance_memory),
    "rmem": ("r_mem", True, _integer("reserved")),
    "amem": (
        "a_mem",
        True,
        lambda nodes, i: str(int(max(0, nodes.row("free_mem")[i] - nodes.row("reserved")[i]))),
    ),
    "tdsk": ("t_dsk", True, _total("total_disk", 1024.0)),
    "fdsk": ("f_dsk", True, lambda nodes, i: str(int(nodes.row("free_disk")[i] // 1024))),
    "tcpu": ("pcpu", True, _total("total_cpus")),
    "ucpu": ("vcpu", True, _integer("cpus")),
    "pcnt": ("pcnt", True, _integer("primaries")),
    "scnt": ("scnt", True, _integer("secondaries")),
    "plist": ("primaries", True, _listed("primaries")),
    "slist": ("secondaries", True, _listed("secondaries")),
    "pfmem": ("p_fmem", True, _free_memory_share),
    "pfdsk": ("p_fdsk", True, _free_disk_share),
    "rcpu": ("r_cpu", True, _cpu_share),
    "cload": ("lCpu", True, _decimals("load_cpu")),
    "mload": ("lMem", True, _decimals("load_mem")),
    "dload": ("lDsk", True, _decimals("load_disk")),
    "nload": ("lNet", True, _decimals("load_net")),
    "ptags": ("PrimaryTags", False, _tags),
    "peermap": ("PeerMap", False, _peers),
    "spindle_count": (
        "NodeSpindles",
        True,
        lambda nodes, i: str(int(nodes.cluster.site.total_spindles[i])),
    ),
    "hi_spindles": (
        "MaxSpindles",
        True,
        lambda nodes, i: str(float(nodes.cluster.site.max_spindles[i])),
    ),
    "inst_spindles": ("InstSpindles", True, lambda nodes, i: str(float(nodes.row("spindles")[i]))),
}

_UNKNOWN: tuple[str, bool, Field] = (
    "<unknown field>",
    False,
    lambda *_: "<unknown field>",
)


def columns(rows: Sequence[Sequence[str]], right: Sequence[bool], indent: str) -> str:
    """Lines of aligned columns, parted by a blank."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ]
        lines.append(indent + " ".join(cells))
    return "\n".join(lines)


def node_table(cluster: Cluster, wanted: str, shown: Ints | None = None) -> str:
    """The table of some or all nodes with the fields a user asked for (empty: the usual ones)."""
    names = wanted.split(",") if wanted else list(_DEFAULT)
    if wanted.startswith("+"):
        names = [*_DEFAULT, *wanted[1:].split(",")]
    fields = [_FIELDS.get(name, _UNKNOWN) for name in names]
    nodes = _Nodes(cluster, node_aliases(cluster))
    rows = [[title for title, _, _ in fields]]
    indices = range(cluster.node_count) if shown is None else shown.tolist()
    rows += [[show(nodes, i) for _, _, show in fields] for i in indices]
    return columns(rows, [numeric for _, numeric, _ in fields], " ")


def instance_table(cluster: Cluster, shown: Sequence[int] | None = None) -> str:
    """The table of some or all instances."""
    titles = [
        "F", "Name", "Pri_node", "Sec_node", "Auto_bal", "vcpu", "mem", "dsk",
        "lCpu", "lMem", "lDsk", "lNet",
    ]
    nodes = [*(node.name for node in cluster.description.nodes), ""]
    rows = [titles]
    for index, instance in enumerate(cluster.instances):
        if cluster.primary[index] < 0 or (shown is not None and index not in shown):
            continue
        rows.append(
            [
                "R" if instance.status in RUNNING_STATUSES else " ",
                instance.name,
                nodes[int(cluster.primary[index])],
                nodes[int(cluster.secondary[index])],
                "Y" if instance.auto_balance else "N",
                str(instance.vcpus),
                f"{instance.memory:5d}",
                f"{instance.disk // 1024:5d}",
                *(fixed(load, 3) for load in cluster.loads[:, index]),
            ]
        )
    return columns(rows, [False] * 5 + [True] * 7, " ")


def print_nodes(
    cluster: Cluster, fields: str | None, title: str, shown: Ints | None = None
) -> None:
    """Print the node table on standard error, if one is wanted."""
    if fields is not None:
        note(f"\n{title} status:\n{node_table(cluster, fields, shown)}\n")


def print_instances(
    cluster: Cluster, wanted: bool, title: str, shown: Sequence[int] | None = None
) -> None:
    """Print the instance table on standard error, if it is wanted."""
    if wanted:
        note(f"\n{title} instance map:\n{instance_table(cluster, shown)}")
