"""Cluster settings that hooks on nodes may need, as the hooks' ``ctx.config``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot


def settings_of(snapshot: Snapshot) -> dict[str, Any]:
    """Take from the cluster what travels with every hook call. Empty values are left out, so
    that a plugin's own default applies."""
    cluster = snapshot.cluster
    settings = {
        "cluster_name": cluster.name,
        "file_storage_dir": cluster.file_storage_dir,
        "shared_file_storage_dir": cluster.shared_file_storage_dir,
        "gluster_storage_dir": cluster.gluster_storage_dir,
        "volume_group_name": cluster.volume_group_name,
        "os_search_path": list(cluster.os_search_path),
        "iallocator_search_path": list(cluster.iallocator_search_path),
        "disabled_plugins": list(cluster.disabled_plugins),
    }
    return {name: value for name, value in settings.items() if value}
