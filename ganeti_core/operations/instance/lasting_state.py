"""What a node's hypervisor keeps of an instance beyond its runs goes where the instance goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import InstanceSpec
    from ganeti_core.rpc.calls import Call

_HOOKS = frozenset({"lasting_state", "set_lasting_state"})


def carry_state(ctx: OpContext, instance: Instance, source: Node, target: Node) -> list[Owed]:
    """Bring to `target` what `source` keeps of an instance that does not run; giving that up is the
    undo. Return what removes it from the source, for after the commit.

    A source that cannot be asked costs the instance that state, with a warning, not its move.

    :raises GanetiError: the target cannot keep it
    """
    if not _is_kept(ctx, instance):
        return []
    try:
        state: str = "" if source.offline else ctx.hook(
            source, HYPERVISORS, instance.hypervisor, "lasting_state",
            instance=spec_of(ctx, instance))
    except GanetiError as exc:
        ctx.warn(f"What node {source.name} keeps of {instance.name} beside its disks is not taken "
                 f"along: {exc}")
        return [_forgetting(ctx, instance, source)]
    if source.offline:
        return [_forgetting(ctx, instance, source)]
    if not state:
        return []
    ctx.act(target, _set_call(ctx, instance, state), _set_call(ctx, instance, ""),
            f"forget what was brought of {instance.name}")
    return [_forgetting(ctx, instance, source)]


def exported_state(ctx: OpContext, instance: Instance, node: Node) -> dict[str, str]:
    """What a node keeps of an instance, for its export; empty where it keeps nothing.

    :raises GanetiError: it cannot be read
    """
    if not _is_kept(ctx, instance):
        return {}
    state: str = ctx.hook(node, HYPERVISORS, instance.hypervisor, "lasting_state",
                          instance=spec_of(ctx, instance))
    return {"hypervisor": instance.hypervisor, "state": state} if state else {}


def give_state(
    ctx: OpContext, spec: InstanceSpec, node: Node, exported: Mapping[str, str | None]
) -> None:
    """Have a new instance's node keep what `exported_state` gave; the undo forgets it.

    :raises GanetiError: the node cannot keep it
    """
    state, hypervisor = exported.get("state"), spec.hypervisor
    if not state:
        return
    if exported.get("hypervisor") != hypervisor or not ctx.host.offers(
            HYPERVISORS, hypervisor) >= _HOOKS:
        ctx.info(f"What {exported.get('hypervisor')} kept of the exported instance beside its "
                 "disks is not used")
        return
    calls = [ctx.hook_call(HYPERVISORS, hypervisor, "set_lasting_state", subject=spec.uuid,
                           instance=spec, state=text) for text in (state, "")]
    ctx.act(node, calls[0], calls[1], f"forget what was imported of {spec.name}")


def forget_state(ctx: OpContext, instance: Instance, node: Node) -> list[Owed]:
    """Return what removes all that a node keeps of an instance."""
    return [_forgetting(ctx, instance, node)] if _is_kept(ctx, instance) else []


def _is_kept(ctx: OpContext, instance: Instance) -> bool:
    try:
        return ctx.host.offers(HYPERVISORS, instance.hypervisor) >= _HOOKS
    except GanetiError:
        return False  # a hypervisor that is gone must not keep its instances from being removed


def _forgetting(ctx: OpContext, instance: Instance, node: Node) -> Owed:
    return (node, _set_call(ctx, instance, ""),
            f"forget what is kept of {instance.name} beside its disks")


def _set_call(ctx: OpContext, instance: Instance, state: str) -> Call:
    return ctx.hook_call(HYPERVISORS, instance.hypervisor, "set_lasting_state",
                         subject=instance.uuid, instance=spec_of(ctx, instance), state=state)
