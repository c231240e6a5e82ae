"""Let a running guest's disks stand still in good order, while they are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import HypervisorError
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, QUIET

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec


def quieted(
    ctx: OpContext, instance: Instance, node: Node, spec: InstanceSpec
) -> Callable[[], object] | None:
    """Let the guest stand still; return what lets it write again, which is the undo, too.

    None where it writes on: its driver has no such thing, or the guest cannot; of that there is a
    warning, since its disks are copied as after a crash.
    """
    if QUIET not in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        return None
    resume = ctx.hook_call(HYPERVISORS, instance.hypervisor, "resume_writes",
                           subject=instance.uuid, instance=spec)
    try:
        ctx.act(node, ctx.hook_call(HYPERVISORS, instance.hypervisor, "quiet",
                                    subject=instance.uuid, instance=spec),
                resume, f"let {instance.name} write again")
    except HypervisorError as exc:
        ctx.warn(f"the copies of the disks are as after a crash: {exc.message}")
        return None
    return lambda: ctx.call(node, resume)
