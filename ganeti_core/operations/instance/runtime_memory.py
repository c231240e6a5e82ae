"""Change the memory of a running guest, which its instance's parameters bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, NotSupported, OpPrereqError
from ganeti_core.model.params import filled_beparams
from ganeti_core.operations.instance.running import running_on
from ganeti_core.operations.placement.memory import reserve_memory
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import BALLOON, HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


def check_runtime_memory(
    ctx: OpContext, instance: Instance, node: Node, wanted: int, *, force: bool
) -> int:
    """See that the guest can have so much memory, and set aside what it gets more; return what it
    has, MiB.

    :param instance: as it will be: its parameters are the bounds
    :raises OpPrereqError: it does not run (`ECODE_STATE`), the bounds forbid it (`ECODE_INVAL`), or
        the node has not as much (`ECODE_NORES`)
    :raises NotSupported: the hypervisor cannot (`ECODE_INVAL`)
    """
    if BALLOON not in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        raise NotSupported("The memory of running instances cannot be changed by the hypervisor "
                           f"{instance.hypervisor}", ECODE_INVAL)
    guest = running_on(ctx, ctx.snapshot.instances[instance.uuid], node)
    if guest is None:
        raise OpPrereqError(f"Instance {instance.name} is not running", ECODE_STATE)
    bounds = filled_beparams(ctx.snapshot.cluster, instance)
    if not force and not bounds["minmem"] <= wanted <= bounds["maxmem"]:
        raise OpPrereqError(
            f"Instance {instance.name} must have memory between {bounds['minmem']} and "
            f"{bounds['maxmem']} MB of memory unless --force is given", ECODE_INVAL)
    if wanted > guest.memory:
        reserve_memory(ctx, instance, node, wanted, "ballooning memory for")
    return guest.memory


def set_runtime_memory(
    ctx: OpContext, instance: Instance, node: Node, memory: tuple[int, int]
) -> None:
    """Let the guest have other memory.

    :param memory: what it has, and what it is to have, MiB
    """
    before, after = memory
    ctx.act(node, _call(ctx, instance, after), _call(ctx, instance, before),
            f"give {instance.name} {before} MiB of memory again")


def _call(ctx: OpContext, instance: Instance, memory: int) -> Call:
    return ctx.hook_call(HYPERVISORS, instance.hypervisor, "set_memory", subject=instance.uuid,
                         instance=spec_of(ctx, instance), memory=memory)
