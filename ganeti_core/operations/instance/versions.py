"""Whether the receiver of a migration is of a version that reads what the sender writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.query.live import NodeLive, host_facts

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

_NUMBER = re.compile(r"[0-9]+")


def check_versions(
    ctx: OpContext, hypervisor: str, source: Node, target: Node, *, running: str = "", ignore: bool
) -> None:
    """Refuse to send a guest to an older hypervisor; a newer one reads what an older one writes.

    A node that does not tell its version is left to the driver, whose receiver refuses what it
    cannot read.

    :param running: the version that the guest runs in, which its node's may be newer than
    :param ignore: go on with a warning
    :raises OpPrereqError: the target's is older (`ECODE_STATE`)
    """
    asked = host_facts(hypervisor)
    for node in (source, target):
        ctx.services.touched(node.uuid)  # what was known a moment ago does not do
    live = ctx.services.live.gather([source, target], frozenset({asked}))
    sender, receiver = (_version(live.get(node.uuid), hypervisor) for node in (source, target))
    sender = running or sender
    if not sender or not receiver or sender == receiver:
        return
    text = (f"hypervisor version mismatch between source (version {sender} on {source.name}) and "
            f"target (version {receiver} on {target.name})")
    if _numbers(receiver) >= _numbers(sender):
        ctx.feedback(f"* {text}: migrating to a newer one should be safe")
    elif ignore:
        ctx.warn(f"{text}; going on, as was asked for")
    else:
        raise OpPrereqError(
            f"Cannot migrate: {text}, which is older; use failover, or --ignore-hvversions to try "
            "it all the same", ECODE_STATE)


def _version(live: object, hypervisor: str) -> str:
    facts = live.facts(hypervisor) if isinstance(live, NodeLive) else None
    return facts.version if facts is not None else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, _NUMBER.findall(version)))
