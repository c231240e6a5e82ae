"""The word ``auto`` in what is asked for a new instance, as Ganeti and its OVF converter use it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.model.params import fill
from ganeti_core.resolve import resolve_alike

if TYPE_CHECKING:
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext

AUTO = "auto"


def with_defaults(op: InstanceCreate, ctx: OpContext) -> InstanceCreate:
    """Return what is asked for with the cluster's hypervisor and values for those that are
    ``auto``; the values are the instance's own from then on."""
    if op.hypervisor == AUTO:
        op = replace(op, hypervisor=None)
    if AUTO in op.beparams.values():
        defaults = fill(BEPARAMS_DEFAULTS, ctx.snapshot.cluster.beparams.get("default", {}))
        asked = dict(op.beparams)
        if asked.get("memory") == AUTO:
            del asked["memory"]
            asked |= {"maxmem": AUTO, "minmem": AUTO}
        op = replace(op, beparams={name: defaults.get(name, value) if value == AUTO else value
                                   for name, value in asked.items()})
    return op


def with_address(op: InstanceCreate, ctx: OpContext, name: str) -> InstanceCreate:
    """Return what is asked for with the address that the instance's name resolves to on cards
    whose address is ``auto``.

    :raises OpPrereqError: the name is not to be resolved (`ECODE_INVAL`), or does not
    """
    def has_auto(nic: Any) -> bool:
        return isinstance(nic, dict) and str(nic.get("ip")).lower() == AUTO

    if not any(map(has_auto, op.nics)):
        return op
    if not op.name_check:
        raise OpPrereqError("IP address set to auto but name checks have been skipped", ECODE_INVAL)
    address = resolve_alike(ctx.services.paths, name).address
    return replace(op, nics=[{**nic, "ip": address} if has_auto(nic) else nic for nic in op.nics])
