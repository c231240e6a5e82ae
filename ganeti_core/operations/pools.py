"""Numbers and secrets that a driver's objects draw from the cluster: unique while they are in use.

They are reserved for the job until its commit claims them with the object (`config.validate`), and
are free again when the object is removed.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_NORES, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

POOLS = frozenset({"minor", "port", "secret"})
MOST_MINORS = 1 << 20
"""As many devices of one block driver as Linux can number."""
_SECRET_BYTES = 20


def draw(ctx: OpContext, pools: Collection[str], nodes: Sequence[Node]) -> dict[str, Any]:
    """Draw from each of `pools` for an object on these nodes.

    :returns: ``port``, ``secret``, and ``minor`` by node uuid, as far as they are asked for
    :raises OpPrereqError: a pool is empty (`ECODE_NORES`)
    """
    granted: dict[str, Any] = {}
    if "port" in pools:
        granted["port"] = ctx.services.reservations.port(ctx.owner)
    if "secret" in pools:
        granted["secret"] = secrets.token_hex(_SECRET_BYTES)
    if "minor" in pools:
        granted["minor"] = {node.uuid: _minor(ctx, node) for node in nodes}
    return granted


def _minor(ctx: OpContext, node: Node) -> int:
    found = ctx.services.reservations.first_free(
        f"minor:{node.uuid}", map(str, range(MOST_MINORS)), ctx.owner)
    if found is None:
        raise OpPrereqError(f"node {node.name} has no free minor number", ECODE_NORES)
    return int(found)
