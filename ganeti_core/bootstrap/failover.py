"""Make another node the master."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

if TYPE_CHECKING:
    from ganeti_core.paths import Paths


def master_failover(paths: Paths, *, no_voting: bool) -> None:
    """Make this node the master.

    :raises OpPrereqError: always: the configuration is not replicated yet
    """
    del paths, no_voting
    raise OpPrereqError(
        "Master failover is not available in this version: the configuration lives on the master "
        "only; move its database and certificates by hand", ECODE_INVAL)
