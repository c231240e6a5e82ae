"""Where an instance's guest is, whatever the configuration says; and how the latter follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_ENVIRON, ECODE_INVAL, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.disks import is_shared, moved_disks
from ganeti_core.operations.instance.running import leave, stop_call
from ganeti_core.operations.placement.nodes import kept
from ganeti_core.query.live import NodeLive, running

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceFailover
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class Whereabouts:
    """Where the guest runs: nowhere, or on one node; `home`: that which the configuration says."""

    instance: Instance
    home: Node
    node: Node | None


def find_out(op: InstanceFailover, ctx: OpContext) -> Whereabouts:
    """Ask every node on which the instance can be.

    :raises OpPrereqError: a node that may run it does not answer (`ECODE_ENVIRON`), or the opcode
        says where to move it (`ECODE_INVAL`)
    :raises OpExecError: it runs on several nodes, or should run and runs nowhere
    """
    if op.target_node is not None or op.iallocator is not None:
        raise OpPrereqError("A cleanup moves nothing: give neither a target node nor an iallocator",
                            ECODE_INVAL)
    instance = ctx.snapshot.instance(op.instance_name)
    home = ctx.snapshot.nodes[instance.primary_node]
    places = [node for node in _places(ctx, instance) if not node.offline]
    for node in places:
        ctx.services.touched(node.uuid)  # what was known a moment ago does not do
    question = running(instance.hypervisor)
    answers = ctx.services.live.gather(places, frozenset({question}))
    silent: list[str] = []
    found: list[Node] = []
    for node in places:
        live = answers[node.uuid]
        if not isinstance(live, NodeLive) or live.running(instance.hypervisor) is None:
            silent.append(node.name)
        elif instance.name in live.guests:
            found.append(node)
    if silent:
        raise OpPrereqError(
            f"Cannot tell where instance {instance.name} runs: node(s) {', '.join(silent)} do not "
            "answer; start them, or mark them offline if they are down", ECODE_ENVIRON)
    if len(found) > 1:
        raise OpExecError(
            f"Instance {instance.name} runs on {' and '.join(node.name for node in found)}; ensure "
            "by hand that it runs only on one of them, then repeat this operation")
    if not found and instance.admin_state == "up":
        raise OpExecError(
            f"Instance {instance.name} does not run anywhere; gnt-instance shutdown closes its "
            "disks, and gnt-instance startup starts it then")
    return Whereabouts(instance, home, found[0] if found else None)


def _places(ctx: OpContext, instance: Instance) -> list[Node]:
    if is_shared(ctx, instance.disk_template):
        return [node for node in ctx.snapshot.nodes.values() if node.vm_capable]
    return [ctx.snapshot.nodes[uuid]
            for uuid in (instance.primary_node, *instance.secondary_nodes)]


def follow_guest(ctx: OpContext, where: Whereabouts) -> None:
    """Let the configuration say where the guest runs; tidy where it said so before."""
    instance, home, node = where.instance, where.home, where.node
    if node is None:
        ctx.feedback(f"* instance {instance.name} is stopped, as it should be: there is nothing to "
                     "clean up")
        return
    if node.uuid == home.uuid:
        ctx.feedback(f"* instance confirmed to be running on its primary node ({home.name}): "
                     "there is nothing to clean up")
        return
    ctx.lock_more(*kept([home.uuid, node.uuid]))
    ctx.feedback(f"* instance running on node {node.name}, updating config")
    moved = replace(instance, primary_node=node.uuid,
                    secondary_nodes=(home.uuid,) if instance.secondary_nodes else ())
    owed = leave(ctx, instance, home)
    if home.offline:
        owed.insert(0, (home, stop_call(ctx, instance),
                        f"stop {instance.name}, which runs on {node.name}"))
    ctx.commit([Put(moved), *moved_disks(ctx, moved)], forward=owed)
    ctx.services.events.tell("instance_moved", name=instance.name, uuid=instance.uuid,
                             source=home.name, target=node.name, how="failover")
