"""End a cluster on its last node: stop the daemons, remove what made this host a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons
from ganeti_core.node.services.cluster_files import remove_cluster_data

if TYPE_CHECKING:
    from ganeti_core.paths import Paths


def destroy_cluster(paths: Paths) -> None:
    """Stop the daemons and remove the cluster's files; the logs stay."""
    for daemon in (local_daemons.RAPI, local_daemons.MASTERD, local_daemons.NODED):
        local_daemons.stop(paths, daemon)
    remove_cluster_data(paths)
