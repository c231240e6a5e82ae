"""Getting the cluster that the command line names, as the model with all options applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import LoadError, PlacementError
from ..formats.haskell import read_float
from ..formats.names import aliases
from ..formats.text import load_text, read_file
from ..model.build import BuildOptions, Load, build, match_name, unaccounted
from ..model.cluster import Cluster
from ..model.remarks import remarks
from ..records import Description, Node
from .output import note
from .settings import Settings


def describe_cluster(settings: Settings) -> Description:
    """Read the cluster data from the source that the user chose.

    :raises PlacementError: none or too many were chosen, or the source fails.
    """
    chosen = [settings.rapi, settings.luxi, settings.text_file]
    if sum(source is not None for source in chosen) > 1:
        raise PlacementError(
            "Only one of the rapi, luxi, and data files options should be given."
        )
    try:
        return _read(settings)
    except LoadError as exc:
        raise PlacementError(f"failed to load data, aborting: {exc}") from exc


def _read(settings: Settings) -> Description:
    # Imported as needed: a program reads one source, and loading all readers is not free.
    if settings.rapi is not None:
        from ..formats.rapi import load_rapi

        return load_rapi(settings.rapi)
    if settings.luxi is not None:
        from ..formats.luxi import load_luxi

        return load_luxi(settings.luxi)
    if settings.simulations:
        from ..formats.simulate import simulate

        return simulate(settings.simulations)
    if settings.text_file is not None:
        return load_text(settings.text_file)
    if settings.ialloc_file is not None:
        from ..formats.ialloc import load_ialloc

        text = read_file(settings.ialloc_file)
        try:
            return load_ialloc(text)
        except LoadError as exc:
            raise PlacementError(str(exc)) from exc
    raise LoadError("No backend selected! Exiting.")


def load_cluster(settings: Settings) -> Cluster:
    """Read, build and adjust the cluster; warn about figures that do not add up.

    :raises PlacementError: the data or the options are wrong.
    """
    return adjust(read_cluster(settings), settings)


def read_cluster(settings: Settings) -> Cluster:
    """Read and build the cluster; warn about figures that do not add up.

    :raises PlacementError: the data or the options are wrong.
    """
    loads = read_loads(settings)
    description = describe_cluster(settings)
    try:
        cluster = build(description, build_options(settings, loads))
    except LoadError as exc:
        raise PlacementError(f"failed to load data, aborting: {exc}") from exc
    if settings.mond and not settings.ignore_loads:
        from .monitoring import apply_monitoring

        apply_monitoring(cluster, settings)
    warn_unaccounted(cluster, settings)
    return cluster


def snapshot(cluster: Cluster) -> Cluster:
    """A copy that `adjust` does not change through the original."""
    taken = cluster.copy()
    taken.site = replace(cluster.site)
    return taken


def build_options(settings: Settings, loads: dict[str, Load] | None = None) -> BuildOptions:
    """The part of the settings that matters while the model is built."""
    return BuildOptions(
        loads=loads or {},
        ignore_loads=settings.ignore_loads,
        exclusion_tags=settings.exclusion_tags,
        selected=settings.selected,
        excluded=settings.excluded,
        kvm_node_memory=settings.kvm_node_memory,
    )


def read_loads(settings: Settings) -> dict[str, Load]:
    """Measured utilisation per instance from the user's file.

    :raises PlacementError: the file is missing or malformed.
    """
    if settings.loads_file is None or settings.ignore_loads:
        return {}
    loads: dict[str, Load] = {}
    for line in read_file(settings.loads_file).splitlines():
        words = line.split(" ")
        if len(words) != 5:
            raise PlacementError(
                f"can't parse utilisation data: Cannot parse line {line}"
            )
        try:
            cpu, memory, disk, net = (read_float(words[0], word) for word in words[1:])
        except LoadError as exc:
            raise PlacementError(f"can't parse utilisation data: {exc}") from exc
        loads[words[0]] = (cpu, memory, disk, net)
    return loads


def warn_unaccounted(cluster: Cluster, settings: Settings) -> None:
    """Tell of nodes that do not answer, that lack something, or whose figures do not add up."""
    if settings.verbosity == 0:
        return
    for text in remarks(cluster.description):
        note(f"Warning: {text}")
    bad = unaccounted(cluster)
    if not bad:
        return
    note("Warning: cluster has inconsistent data:")
    for node, memory, disk in bad:
        note(f"  - node {node.name} is missing {memory} MB ram and {disk} GB disk")
    note()


def adjust(cluster: Cluster, settings: Settings) -> Cluster:
    """Apply options on top of the built model: offline nodes and limits.

    :raises PlacementError: a node to set offline does not exist.
    """
    names = [node.name for node in cluster.description.nodes]
    found = {wanted: match_name(names, wanted) for wanted in settings.offline}
    if wrong := [wanted for wanted, name in found.items() if name is None]:
        raise PlacementError(f"wrong node name(s) set as offline: {','.join(wrong)}\n")
    offline = set(found.values())
    if offline:
        nodes = tuple(
            replace(node, offline=True, silent=False) if node.name in offline else node
            for node in cluster.description.nodes
        )
        cluster.description = replace(cluster.description, nodes=nodes)
        cluster.site.offline = np.array([node.offline for node in nodes], dtype=np.bool_)
        cluster.site.silent = np.array([node.silent for node in nodes], dtype=np.bool_)
    if settings.max_cpu is not None:
        cluster.site.max_ratio = np.full(cluster.node_count, settings.max_cpu)
    if settings.min_disk:
        cluster.site.min_disk = np.floor(settings.min_disk * cluster.site.total_disk)
    return cluster


def node_aliases(cluster: Cluster) -> list[str]:
    """Short names of the nodes."""
    return aliases(cluster.description, [node.name for node in cluster.description.nodes])


def instance_aliases(cluster: Cluster) -> list[str]:
    """Short names of all instances of the model."""
    return aliases(cluster.description, [instance.name for instance in cluster.instances])


def present_state(cluster: Cluster, shown: Sequence[int] | None = None) -> Description:
    """The cluster as a description again, with instances where they are now.

    With `shown` it has only these nodes, and the instances that have their primaries there.
    """
    kept = list(range(cluster.node_count) if shown is None else shown)
    place = {node: index for index, node in enumerate(kept)}
    nodes = tuple(_present_node(cluster, index) for index in kept)
    instances = tuple(
        replace(
            instance,
            primary=place[int(cluster.primary[index])],
            secondary=place.get(int(cluster.secondary[index]), -1),
        )
        for index, instance in enumerate(cluster.instances)
        if int(cluster.primary[index]) in place
    )
    return replace(cluster.description, nodes=nodes, instances=instances)


def _present_node(cluster: Cluster, index: int) -> Node:
    return replace(
        cluster.description.nodes[index],
        node_memory=int(cluster.figures.node_mem[index]),
        free_disk=int(cluster.state.free_disk[index]),
        free_spindles=int(cluster.state.free_spindles[index]),
        offline=bool(cluster.site.offline[index]),
    )


def save_cluster(
    cluster: Cluster,
    settings: Settings,
    suffix: str,
    message: str,
    shown: Sequence[int] | None = None,
) -> None:
    """Write the state, of all or some nodes, to the file that the user named, if any.

    :raises PlacementError: it cannot be written.
    """
    if settings.save is None:
        return
    from ..formats.text_dump import dump_text

    path = f"{settings.save}.{suffix}"
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(dump_text(present_state(cluster, shown)))
    except OSError as exc:
        raise PlacementError(f"{path}: cannot be written: {exc.strerror}") from exc
    note(f"The cluster state {message}has been written to file '{path}'")
