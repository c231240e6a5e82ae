"""The list of the cluster's members: taken from whoever brings a newer one, given to who asks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.node.services.replica import master_runs_here
from ganeti_core.rpc.tls import fingerprint_of

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MembersArgs:
    """Of ``node.members``; `signed`: the list that the caller has, empty for none."""

    signed: str = ""


def exchange(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, str]:
    """Take a newer list; return ``signed``: the one here, or nothing where that is the caller's.

    :raises AccessDenied: the cluster's authority has not signed it
    """
    given = decode(MembersArgs, args).signed
    if given:
        take(state, given)
    held = state.members.text()
    return {"signed": "" if held == given else held}


def take(state: NodeState, text: str) -> bool:
    """Obey a signed list from here on; False when it is not newer than the one here.

    :raises AccessDenied: the cluster's authority has not signed it
    """
    found = state.members.newer(text)
    if found is None:
        return False
    # First: who commanded this node until now may be the master of an older epoch.
    state.epochs.raise_to(found.epoch)
    before = state.members.known()
    if not state.members.keep(found, text):
        return False
    if found.members != before.members:
        log.info("the members of the cluster are those of epoch %d, serial %d", *found.version)
    forget_copy(state)
    return True


def forget_copy(state: NodeState) -> None:
    """A node that is no candidate (any more) keeps neither a copy nor the authority's key."""
    paths = state.world.local.paths
    if fingerprint_of(paths.node_certificate) in state.members.known().candidates:
        return
    with state.copying:
        if master_runs_here(paths) or not (paths.database.exists() or paths.ca_key.exists()):
            return
        state.replica.forget()
        paths.ca_key.unlink(missing_ok=True)
    log.info("this node is no master candidate: its copy of the configuration is gone")
