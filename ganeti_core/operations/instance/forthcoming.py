"""Forthcoming instances: what is reserved for one, and how the real one gets it.

A forthcoming instance is in the configuration with all that it will have, and so are its disks, but
nothing of them is on any node. Allocators count it; a real one takes its place, its identity, its
addresses and its nodes with ``--commit``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.operations.instance.nics import FROM_POOL, new_nics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Nic
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext


def to_commit(op: InstanceCreate, snapshot: Snapshot) -> Instance | None:
    """The forthcoming instance that is to become real; None where a new one is made.

    :raises OpPrereqError: there is no such instance, or it is real already
    """
    if not op.commit:
        return None
    instance = snapshot.instance(op.instance_name)
    if not instance.forthcoming:
        raise OpPrereqError(f"Instance {instance.name} (with uuid {instance.uuid}) not forthcoming "
                            "but --commit was passed.", ECODE_STATE)
    return instance


def on_reserved_nodes(op: InstanceCreate, ctx: OpContext, reserved: Instance) -> InstanceCreate:
    """The opcode with the nodes that are reserved; no allocator is asked again.

    :raises OpPrereqError: it names others
    """
    nodes = [ctx.snapshot.nodes[uuid] for uuid in (reserved.primary_node,
                                                   *reserved.secondary_nodes)]
    for asked, node in zip((op.pnode, op.snode), (*nodes, None), strict=False):
        if asked and (node is None or ctx.snapshot.node(asked).uuid != node.uuid):
            raise OpPrereqError(
                f"The forthcoming instance {reserved.name} is reserved on "
                f"{', '.join(one.name for one in nodes)}, not on {asked}: move it with "
                "gnt-instance migrate before it is committed", ECODE_INVAL)
    names = [node.name for node in nodes]
    ctx.info(f"Nodes of instance {reserved.name}: {', '.join(names)}")
    return replace(op, pnode=names[0], snode=names[1] if names[1:] else None, iallocator=None,
                   group_name=None)


def reserved_nics(
    ctx: OpContext, asked: Sequence[Any], reserved: Instance | None
) -> tuple[Nic, ...]:
    """The network cards that were asked for, with the addresses that are reserved for them.

    :raises OpPrereqError: an address or a mode is wrong, or taken
    """
    if reserved is None:
        return new_nics(ctx, asked)
    old = reserved.nics
    nics = new_nics(ctx, [_undrawn(nic, old[at]) if at < len(old) and isinstance(nic, dict)
                          else nic for at, nic in enumerate(asked)])
    return tuple(_as_reserved(nic, old[at], asked[at]) if at < len(old) else nic
                 for at, nic in enumerate(nics))


def _undrawn(asked: dict[str, Any], reserved: Nic) -> dict[str, Any]:
    """What to ask for so that nothing is set aside twice."""
    if str(asked.get("mac") or "").lower() == reserved.mac:
        return {**asked, "mac": "auto"}
    return asked


def _as_reserved(nic: Nic, reserved: Nic, asked: dict[str, Any]) -> Nic:
    """A card that takes the place of a reserved one, with the addresses that it does not name."""
    mac = str(asked.get("mac") or "auto").lower()
    ip = nic.ip
    if ip == FROM_POOL and nic.network == reserved.network and reserved.ip is not None:
        ip = reserved.ip
    drawn = mac in ("auto", "generate", "default", "none", reserved.mac)
    # Of the same uuid: what is claimed for it is its own.
    return replace(nic, uuid=reserved.uuid, mac=reserved.mac if drawn else nic.mac, ip=ip)
