"""Which node this is, and which one is the master, from files that every node has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.luxi.client import MasterAccessError, NoMasterError

if TYPE_CHECKING:
    from ganeti_core.paths import Paths


def own_names(paths: Paths) -> set[str]:
    """Name and address of this node; nothing where it is none."""
    import json

    try:
        identity = json.loads((paths.data / "node.json").read_text())
    except (OSError, ValueError):
        return set()
    return {str(identity[key]) for key in ("name", "address") if identity.get(key)}


def master_name(paths: Paths) -> str:
    """The master as this node was told last; empty if it was told nothing."""
    try:
        return (paths.ssconf / "ssconf_master_node").read_text().strip()
    except OSError:
        return ""


def explained(error: GanetiError, paths: Paths) -> GanetiError:
    """Give the error to show: where no master is here, the one that tells where it is."""
    if not isinstance(error, NoMasterError) or isinstance(error, MasterAccessError):
        return error
    own, master = own_names(paths), master_name(paths)
    if not own or not master or master in own:
        return error
    return OpPrereqError(f"This is not the master node, please connect to node '{master}' and"
                         " rerun the command", ECODE_INVAL)
