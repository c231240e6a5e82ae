"""Changes of an instance's parameters: back end, hypervisor, OS, and whether it may be started."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_NORES,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams, filled_hvparams
from ganeti_core.operations.instance.stopped import check_not_running, check_os
from ganeti_core.operations.os_schema import check_apart, check_given
from ganeti_core.operations.parameters import (
    changed_os_parameters,
    check_memory_bounds,
    checked_beparams,
    updated,
)
from ganeti_core.operations.placement.memory import free_memory
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceSetParams
    from ganeti_core.operations.cluster.settings_context import SettingsContext
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class Changed:
    """The instance afterwards, and what to tell of the changes."""

    instance: Instance
    told: tuple[tuple[str, Any], ...] = ()

    def with_(self, told: list[tuple[str, Any]], **values: Any) -> Changed:
        return Changed(replace(self.instance, **values), (*self.told, *told))


def plan_parameters(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, node: Node
) -> Changed:
    """Apply the parameters that were given.

    :raises OpPrereqError: one makes no sense, or cannot be changed as things are
    :raises ValueRejected: a back-end parameter is unknown or of the wrong type
    """
    changed = Changed(instance)
    if op.hvparams:
        changed = _hypervisor(op, ctx, changed, node)
    if op.beparams:
        changed = _back_end(op, ctx, changed, node)
    if op.os_name or op.osparams or op.osparams_private:
        changed = _system(op, ctx, changed, node)
    if op.offline is not None:
        changed = _offline(op, ctx, changed, node)
    return changed


def _hypervisor(
    op: InstanceSetParams, ctx: OpContext, changed: Changed, node: Node
) -> Changed:
    instance = changed.instance
    driver = instance.hypervisor
    checked = {key: value for key, value in op.hvparams.items() if value != "default"}
    new = updated(instance.hvparams, op.hvparams, checked)
    check_own_hvparams(ctx, driver, op.hvparams, new)
    after = changed.with_([(f"hv/{key}", value) for key, value in op.hvparams.items()],
                          hvparams=new)
    if not node.offline:
        filled = filled_hvparams(
            ctx.host.defaults(HYPERVISORS, driver), ctx.snapshot.cluster, after.instance)
        ctx.hook(node, HYPERVISORS, driver, "validate", params=filled)
    return after


def check_own_hvparams(
    ctx: SettingsContext, driver: str, named: dict[str, Any], new: dict[str, Any]
) -> None:
    """:raises OpPrereqError: unknown, wrong, or only the cluster's to set (`ECODE_INVAL`)"""
    schema = ctx.host.describe(HYPERVISORS, driver).parameters.get("properties", {})
    shared = sorted(key for key in named if schema.get(key, {}).get("x-global"))
    if shared:
        raise OpPrereqError("The following hypervisor parameters are global and cannot be "
                            f"customized at instance level: {', '.join(shared)}", ECODE_INVAL)
    for key in named:
        if key not in schema:
            # Even to have it inherited again: a name that does not exist is a mistake.
            ctx.host.check_parameters(HYPERVISORS, driver, {key: named[key]})
    ctx.host.check_parameters(HYPERVISORS, driver, new)


def _back_end(op: InstanceSetParams, ctx: OpContext, changed: Changed, node: Node) -> Changed:
    cluster = ctx.snapshot.cluster
    old = filled_beparams(cluster, changed.instance)
    new = updated(changed.instance.beparams, op.beparams, checked_beparams(op.beparams))
    after = changed.with_([(f"be/{key}", value) for key, value in op.beparams.items()],
                          beparams=new)
    filled = filled_beparams(cluster, after.instance)
    check_memory_bounds(filled)
    if filled["maxmem"] > old["maxmem"] and not op.force:
        _check_memory(ctx, after.instance, node, filled["maxmem"])
    return after


def _check_memory(ctx: OpContext, instance: Instance, node: Node, wanted: int) -> None:
    """:raises OpPrereqError: it could not start any more with so much memory (`ECODE_NORES`)"""
    if node.offline:
        ctx.warn(f"Can't get info from primary node {node.name}: it is offline")
        return
    try:
        free, _ = free_memory(ctx, instance, node)
    except OpPrereqError as exc:
        ctx.warn(f"Can't get info from primary node {node.name}: {exc.message}")
        return
    missing = wanted - free
    if missing > 0:
        raise OpPrereqError(
            f"This change will prevent the instance from starting, due to {missing} MB of memory "
            "missing on its primary node", ECODE_NORES)


def _system(op: InstanceSetParams, ctx: OpContext, changed: Changed, node: Node) -> Changed:
    instance = changed.instance
    private = op.osparams_private or {}
    check_given(ctx.host, op.os_name or instance.os, op.osparams, private)
    check_apart(op.osparams, private)
    after = changed.with_(
        [*((f"os/{key}", value) for key, value in op.osparams.items()),
         *((f"os_private/{key}", "<redacted>") for key in private)],
        os=op.os_name or instance.os,
        osparams=changed_os_parameters(instance.osparams, op.osparams),
        osparams_private=changed_os_parameters(instance.osparams_private, private))
    if op.force or not after.instance.os:
        return after
    if node.offline:
        raise OpPrereqError(f"Instance primary node '{node.name}' is offline, its OS definitions "
                            "cannot be asked; use --force to go on", ECODE_STATE)
    # A variant that the instance has was checked, or forced, when it was chosen.
    check_os(ctx, after.instance, node,
             force_variant=op.force_variant or after.instance.os == instance.os)
    return after


def _offline(op: InstanceSetParams, ctx: OpContext, changed: Changed, node: Node) -> Changed:
    instance = changed.instance
    wanted, text = (
        ("offline", "can't change to offline without being down first") if op.offline
        else ("down", "can't change to online (down) without being offline first"))
    if instance.admin_state == "up":
        raise OpPrereqError(f"Instance '{instance.name}' is marked to be up, {text}", ECODE_STATE)
    if instance.admin_state == wanted:
        return changed.with_([("admin_state", wanted)])
    if op.offline and not node.offline:
        check_not_running(ctx, instance, node, text)
    return changed.with_([("admin_state", wanted)], admin_state=wanted,
                         admin_state_source="admin")
