"""Copy the data of open disks onto other open disks, on the same node or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.transfer import Offer
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec
    from ganeti_core.rpc.calls import Call

MIB = 1 << 20


def copy_disks(
    ctx: OpContext, subject: str, ends: tuple[Node, Node],
    disks: Iterable[tuple[DiskSpec, DiskSpec]], compression: str = "none",
) -> list[Owed]:
    """Copy disks, one after the other; both of a pair are open on their node.

    Until the pivot, ending the stream that is under way is the undo.

    :param subject: uuid of the instance
    :param ends: the node of the old disks, and that of the new ones
    :returns: what is to be done after the commit
    :raises OpExecError: one could not be copied
    """
    source, target = ends
    owed: list[Owed] = []
    for old, new in disks:
        ctx.feedback(f"Copying disk/{old.index} from {source.name} to {target.name}")
        end = service_call("disk.end", {"giver": old.uuid}, subject=subject)
        note = f"end the stream of disk {old.index} of {old.instance}"
        try:
            offered = ctx.act(source, _give(old, subject, compression), end, note)
            ctx.hook(target, DISK_TEMPLATES, new.template, "receive_data", subject=subject,
                     disk=new, offer=codec.decode(Offer, offered["offer"]))
        except GanetiError as exc:
            ctx.warn(f"disk/{old.index} could not be copied: {exc.message}")
            raise
        ctx.feedback(f"disk/{old.index} is copied")
        owed.append((source, end, note))
    return owed


def _give(disk: DiskSpec, subject: str, compression: str) -> Call:
    if not disk.path:
        raise OpExecError(
            f"Disk {disk.index} of {disk.instance} has no path on its node, so its data cannot be "
            "copied: its hypervisor reaches it by an address")
    return service_call("disk.give", {
        "path": disk.path, "size": disk.size * MIB, "giver": disk.uuid,
        "compression": compression}, subject=subject)
