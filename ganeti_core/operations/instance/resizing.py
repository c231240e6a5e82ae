"""Let a running guest see that its disk has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.operations.specs import disks_of, spec_of
from ganeti_core.plugin_api.hypervisor import DISK_RESIZE, HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.model import Instance
    from ganeti_core.operations.context import OpContext


def resize_for_guest(ctx: OpContext, instance: Instance, index: int) -> None:
    """Let the running guest have all of a disk that has grown, or warn that it has not.

    Comes after the commit: a guest that is not told uses the disk as before.
    """
    about = ctx.host.describe(HYPERVISORS, instance.hypervisor)
    if DISK_RESIZE not in about.capabilities:
        ctx.info(f"Hypervisor {instance.hypervisor} does not tell the running guest of "
                 f"{instance.name}: "
                 + about.lacking.get(DISK_RESIZE, "it sees the new size when it starts next"))
        return
    node = ctx.current.nodes[instance.primary_node]
    try:
        disk = disks_of(ctx, instance)[index].on(node.uuid)
        ctx.hook(node, HYPERVISORS, instance.hypervisor, "resize_disk", subject=instance.uuid,
                 instance=spec_of(ctx, ctx.current.instances[instance.uuid]), disk=disk)
    except GanetiError as exc:
        ctx.warn(
            f"Disk {index} of {instance.name} has grown, and its running guest does not see that: "
            f"{exc.message}; it sees the new size when it starts next, or, where that can be "
            "mended, once gnt-instance grow-disk --absolute is run with this size again")
    else:
        ctx.info(f"The running guest of {instance.name} sees disk {index} with {disk.size} MiB now")
