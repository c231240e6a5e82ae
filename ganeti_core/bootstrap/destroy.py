"""End a cluster on its last node: stop the daemons, remove what made this host a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons

if TYPE_CHECKING:
    from ganeti_core.paths import Paths

_STATE = ("cluster.db*", "ssconf_*", "*.pem", "*.key", "node.json", "candidates*", "epoch*",
          "enrol-tokens*")


def destroy_cluster(paths: Paths) -> None:
    """Stop the daemons and remove the cluster's files; the logs stay."""
    for daemon in (local_daemons.MASTERD, local_daemons.NODED):
        local_daemons.stop(paths, daemon)
    for pattern in _STATE:
        for file in paths.data.glob(pattern):
            file.unlink(missing_ok=True)
