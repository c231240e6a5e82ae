"""Settings of the cluster that concern drivers: which are enabled, and their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    OpPrereqError,
)
from ganeti_core.model import fill
from ganeti_core.operations.detached_disks import detached_disks, shown
from ganeti_core.operations.inherited import changed_diskparams
from ganeti_core.operations.instance.modify_parameters import check_own_hvparams
from ganeti_core.operations.instance.stopped import check_os_parameters
from ganeti_core.operations.os import definitions_on
from ganeti_core.operations.os_schema import check_given
from ganeti_core.operations.parameters import changed_os_parameters, updated
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.model import Node
    from ganeti_core.opcodes.cluster import ClusterSetParams
    from ganeti_core.operations.cluster.settings_context import SettingsContext
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.rpc.calls import Call

Values = dict[str, Any]


def plan(op: ClusterSetParams, ctx: SettingsContext) -> Values:
    """The new values of the fields that `op` names.

    :raises OpPrereqError: a driver or parameter is unknown, wrong or still in use
    """
    values: Values = {}
    if op.enabled_hypervisors is not None:
        used = {i.hypervisor: i.name for i in ctx.snapshot.instances.values()}
        values["enabled_hypervisors"] = _enabled(
            ctx, HYPERVISORS, op.enabled_hypervisors, used)
    if op.enabled_disk_templates is not None:
        used = {disk.template: f"the detached disk {shown(disk)}"
                for disk in detached_disks(ctx.snapshot)}
        used |= {i.disk_template: i.name for i in ctx.snapshot.instances.values()}
        values["enabled_disk_templates"] = _enabled(
            ctx, DISK_TEMPLATES, op.enabled_disk_templates, used)
    if op.diskparams is not None:
        values["diskparams"] = changed_diskparams(
            ctx.host, ctx.snapshot.cluster.diskparams, op.diskparams)
    if op.hvparams is not None:
        values["hvparams"] = _hypervisor_parameters(ctx, op.hvparams)
    if op.hvparams is not None or op.enabled_hypervisors is not None:
        _ask_nodes(ctx, op, values)
    return values | _of_systems(op, ctx)


def _enabled(
    ctx: SettingsContext, kind: Kind[Any], asked: list[Any], used: Mapping[str, str]
) -> tuple[str, ...]:
    """The list of enabled drivers.

    :raises OpPrereqError: it is empty, names what is not there, or lacks what is in use
    """
    if not asked:
        raise OpPrereqError(f"The list of enabled {kind.title}s is empty", ECODE_INVAL)
    for name in asked:
        ctx.host.describe(kind, str(name))
    for name in sorted(used.keys() - set(asked)):
        raise OpPrereqError(
            f"Cannot disable {kind.title} '{name}', because there is at least one instance using "
            f"it: {used[name]}", ECODE_STATE)
    return tuple(dict.fromkeys(asked))


def _hypervisor_parameters(ctx: SettingsContext, asked: Mapping[str, Any]) -> dict[str, Values]:
    new = {name: dict(params) for name, params in ctx.snapshot.cluster.hvparams.items()}
    for name, given in asked.items():
        if not isinstance(given, dict):
            raise OpPrereqError(f"Invalid parameters of the hypervisor {name}", ECODE_INVAL)
        checked = {key: value for key, value in given.items() if value != "default"}
        new[name] = updated(new.get(name, {}), given, checked)
        for key in given:
            if key not in ctx.host.defaults(HYPERVISORS, name):
                ctx.host.check_parameters(HYPERVISORS, name, {key: given[key]})
        ctx.host.check_parameters(HYPERVISORS, name, new[name])
    return {name: params for name, params in new.items() if params}


def _ask_nodes(ctx: SettingsContext, op: ClusterSetParams, values: Values) -> None:
    """Ask every node whether it can work with the parameters.

    :raises OpPrereqError: one cannot; names it
    """
    cluster = ctx.snapshot.cluster
    enabled = values.get("enabled_hypervisors", cluster.enabled_hypervisors)
    hvparams = values.get("hvparams", cluster.hvparams)
    added = set(enabled) - set(cluster.enabled_hypervisors)
    nodes = [node for node in ctx.snapshot.nodes.values() if node.vm_capable and not node.offline]
    for name in sorted((set(op.hvparams or ()) | added) & set(enabled)):
        params = fill(ctx.host.defaults(HYPERVISORS, name), hvparams.get(name, {}))
        call = ctx.hook_call(HYPERVISORS, name, "validate", params=params)
        for uuid, answer in ctx.fan_out(nodes, _same(call)).items():
            if isinstance(answer, GanetiError):
                raise OpPrereqError(
                    f"Hypervisor parameter validation failed on node "
                    f"{ctx.snapshot.nodes[uuid].name}: {answer.message}", ECODE_INVAL)


def _same(call: Call) -> Callable[[Node], Call]:
    return lambda _node: call


def _of_systems(op: ClusterSetParams, ctx: SettingsContext) -> Values:
    """Parameters that hang on an OS definition's name."""
    cluster = ctx.snapshot.cluster
    values: Values = {}
    if op.os_hvp is not None:
        values["os_hvp"] = _os_hypervisor_parameters(ctx, op.os_hvp)
    for name in ("osparams", "osparams_private_cluster"):
        asked = getattr(op, name)
        if asked is not None:
            values[name] = _os_parameters(getattr(cluster, name), asked)
            for system, given in asked.items():
                check_given(ctx.host, system, *((given, None) if name == "osparams"
                                                else (None, given)))
    _ask_master(ctx, values)
    return values


def _ask_master(ctx: SettingsContext, values: Values) -> None:
    """Let the definitions on the master check their new parameters; one may come there later.

    :raises OpExecError: a definition refuses them
    """
    changed = {system for name in ("osparams", "osparams_private_cluster")
               for system, params in values.get(name, {}).items()
               if params != getattr(ctx.snapshot.cluster, name).get(system)}
    if not changed:
        return
    master = ctx.snapshot.master
    known = definitions_on(ctx, [master]).get(master.uuid, [])
    for system in sorted(changed):
        name, _, variant = system.partition("+")
        if name in known:
            params = {key: value for field in ("osparams", "osparams_private_cluster")
                      for key, value in values.get(
                          field, getattr(ctx.snapshot.cluster, field)).get(system, {}).items()}
            # Without a variant they are those of all variants.
            check_os_parameters(ctx, master, (name, variant), params, force_variant=not variant)


def _os_parameters(
    old: Mapping[str, Mapping[str, str]], asked: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    new = {system: dict(params) for system, params in old.items()}
    for system, given in asked.items():
        if not isinstance(given, dict):
            raise OpPrereqError(f"Invalid parameters of the OS {system}", ECODE_INVAL)
        new[system] = changed_os_parameters(new.get(system, {}), given)
    return {system: params for system, params in new.items() if params}


def _os_hypervisor_parameters(
    ctx: SettingsContext, asked: Mapping[str, Any]
) -> dict[str, dict[str, Values]]:
    new = {system: dict(found) for system, found in ctx.snapshot.cluster.os_hvp.items()}
    for system, by_hypervisor in asked.items():
        if not isinstance(by_hypervisor, dict):
            raise OpPrereqError(f"Invalid parameters of the OS {system}", ECODE_INVAL)
        own = dict(new.get(system, {}))
        for name, given in by_hypervisor.items():
            if not isinstance(given, dict):
                raise OpPrereqError(f"Invalid parameters of the hypervisor {name} for the OS "
                                    f"{system}", ECODE_INVAL)
            checked = {key: value for key, value in given.items() if value != "default"}
            own[name] = updated(own.get(name, {}), given, checked)
            check_own_hvparams(ctx, name, given, own[name])
        new[system] = {name: params for name, params in own.items() if params}
    return {system: found for system, found in new.items() if found}
