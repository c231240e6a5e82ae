"""What instances of each disk template need: all that those who choose nodes have to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE, NO_DISKS, SHARED

if TYPE_CHECKING:
    from ganeti_core.plugin_api.data import Description
    from ganeti_core.plugins import PluginHost


def template_needs(host: PluginHost) -> dict[str, dict[str, Any]]:
    """The needs of every disk template of this host, by its name.

    ``nodes``: how many an instance has; ``mirrored``: more than one; ``shared``: every node sees
    the disks; ``local_space``: they take room of a node; ``no_disks``: there are none.
    """
    return {name: needs_of(host.describe(DISK_TEMPLATES, name))
            for name in host.names(DISK_TEMPLATES)}


def needs_of(described: Description) -> dict[str, Any]:
    """The needs of one disk template."""
    promised = described.capabilities
    return {"nodes": described.nodes, "mirrored": described.nodes > 1,
            "shared": SHARED in promised, "local_space": LOCAL_SPACE in promised,
            "no_disks": NO_DISKS in promised}
