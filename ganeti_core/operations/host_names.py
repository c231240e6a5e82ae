"""New names of instances, nodes and the cluster: one space of names, as all are names of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_EXISTS, ECODE_NOTUNIQUE, OpPrereqError
from ganeti_core.model.names import host_name
from ganeti_core.operations.node.addresses import is_answered
from ganeti_core.resolve import resolve_alike
from ganeti_core.rpc.identity import DEFAULT_PORT

if TYPE_CHECKING:
    from ganeti_core.operations.context import OpContext

"""Any port does: a host that exists refuses what it does not serve."""


def new_instance_name(
    ctx: OpContext, given: str, *, name_check: bool, ip_check: bool, current: str = ""
) -> str:
    """Return the final form of a name for an instance, set aside for the job.

    :param ip_check: nobody may have the address that the name resolves to
    :param current: the name that the instance has already
    :raises OpPrereqError: it cannot be a name, does not resolve, or is taken
    """
    name, address = host_name(given), ""
    if name_check:
        host = resolve_alike(ctx.services.paths, name)
        full, address = host_name(host.name), host.address
        if full != name:
            ctx.info(f"Resolved given name '{name}' to '{full}'")
        name = full
    if name == current:
        return name
    if name in ctx.snapshot.names.get("instance", {}):
        raise OpPrereqError(f"Instance '{name}' is already in the cluster", ECODE_EXISTS)
    check_host_is_free(ctx, name)
    if ip_check and is_answered(address, DEFAULT_PORT):
        raise OpPrereqError(f"IP {address} of instance {name} already in use", ECODE_NOTUNIQUE)
    ctx.services.reservations.reserve("name:instance", name, ctx.owner)
    return name


def check_host_is_free(ctx: OpContext, name: str) -> None:
    """:raises OpPrereqError: a node, the cluster or an instance has this name"""
    users = {
        "the cluster": name == ctx.snapshot.cluster.name,
        "a node": name in ctx.snapshot.names.get("node", {}),
        "an instance": name in ctx.snapshot.names.get("instance", {}),
    }
    for user, has_it in users.items():
        if has_it:
            raise OpPrereqError(f"The name '{name}' is that of {user} already", ECODE_NOTUNIQUE)
