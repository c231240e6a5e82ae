"""Using measured processor load in place of the assumed one."""

from __future__ import annotations

import numpy as np

from ..errors import LoadError, PlacementError
from ..formats.mond import CPU_LOAD, query, reports_from_text
from ..formats.text import read_file
from ..model.arrays import Floats
from ..model.cluster import Cluster
from .output import note
from .settings import Settings


def apply_monitoring(cluster: Cluster, settings: Settings) -> None:
    """Replace processor loads by what the monitoring daemons say, if all nodes have answered.

    :raises PlacementError: some have not, and the user wants all; or the data is malformed.
    """
    nodes = {node.name: node.address or node.name for node in cluster.description.nodes}
    try:
        loads = (
            query(nodes)
            if settings.mond_file is None
            else reports_from_text(read_file(settings.mond_file))
        )
    except LoadError as exc:
        raise PlacementError(f"can't parse MonD data: {exc}") from exc
    if not all(name in loads for name in nodes):
        note(
            f"Didn't receive an answer by all MonDs, {CPU_LOAD}'s data will be ignored."
        )
        if settings.mond_strict:
            raise PlacementError("Not all required data available")
        return
    _spread(cluster, np.array([loads[name] for name in nodes], dtype=np.float64))


def _spread(cluster: Cluster, loads: Floats) -> None:
    """Give every instance its part of its node's load, by virtual processors."""
    count = len(cluster.instances)
    primary = cluster.primary[:count]
    vcpus = np.array([item.vcpus for item in cluster.instances], dtype=np.float64)
    share = (loads / cluster.state.cpus)[primary] * vcpus
    cluster.demand.load_cpu[:count] = np.where(cluster.demand.real[:count], share, 0.0)
    cluster.loads[0, :count] = share
    cluster.state.load_cpu[:] = loads
