"""``OP_CLUSTER_SET_PARAMS``: change settings of the cluster.

Each parameter of the opcode has a function here or in `settings_values` that turns what was asked
into new values of the cluster object; `gnt-cluster init` goes the same way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Edit, Put
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.params import filled_ipolicy
from ganeti_core.opcodes.cluster import ClusterSetParams
from ganeti_core.operations.base import CLUSTER_SETTINGS, Operation, request
from ganeti_core.operations.cluster import driver_settings, drivers, settings_values
from ganeti_core.operations.cluster.candidates import demoted, promoted
from ganeti_core.operations.cluster.master_ip import move_master_ip
from ganeti_core.operations.cluster.template_checks import warn_of_templates
from ganeti_core.operations.communication import network_jobs
from ganeti_core.operations.expand import submitted
from ganeti_core.operations.group.modify import warn_of_violations
from ganeti_core.operations.inherited import check_policy_templates
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.cluster.settings_context import SettingsContext
    from ganeti_core.operations.context import OpContext

_AS_ASKED = ("maintain_node_health", "use_external_mip_script", "enabled_user_shutdown",
             "modify_etc_hosts", "job_queue_files", "default_iallocator_params")


@dataclass(frozen=True)
class SettingsPlan:
    """New values of the cluster object's fields, the nodes whose role changes with them, and the
    job, if any, that makes the network for the communication with instances."""

    values: dict[str, Any]
    nodes: tuple[Node, ...]
    jobs: tuple[list[OpCode], ...] = ()


def new_values(op: ClusterSetParams, ctx: SettingsContext) -> dict[str, Any]:
    """The new values of the cluster object's fields; the same for a cluster that is being made.

    :raises OpPrereqError: a setting makes no sense, or cannot change as things are
    :raises ValueRejected: a parameter is unknown or of the wrong type
    """
    values: dict[str, Any] = {name: getattr(op, name) for name in _AS_ASKED}
    values = {name: value for name, value in values.items() if value is not None}
    values |= settings_values.plan(op, ctx) | driver_settings.plan(op, ctx)
    # Last: what is checked here depends on which drivers are enabled, and on parameters.
    values |= drivers.plan(op, ctx)
    after = replace(ctx.snapshot.cluster, **values)
    driver_settings.check_enabled(ctx, after, values)
    if op.ipolicy or op.enabled_disk_templates is not None:
        for group in (None, *ctx.snapshot.groups.values()):
            check_policy_templates(after, group, op.ipolicy or {})
    return values


class Modify(Operation[ClusterSetParams, SettingsPlan]):
    """Change the cluster."""

    opcode = ClusterSetParams

    def locks(self, op: ClusterSetParams, snapshot: Snapshot) -> LockRequest:
        wants = [CLUSTER_SETTINGS]
        if op.candidate_pool_size is not None:
            wants.append(Want(Level.NODE, ALL))
        if op.enabled_hypervisors is not None or op.enabled_disk_templates is not None:
            # Nobody may make an instance of what is being disabled.
            wants.append(Want(Level.INSTANCE, ALL))
        return request(op, *wants)

    def plan(self, op: ClusterSetParams, ctx: OpContext) -> SettingsPlan:
        if op.default_iallocator:
            ctx.services.allocators.known(op.default_iallocator)  # a new program is found here
        values = new_values(op, ctx)
        after = replace(ctx.snapshot.cluster, **values)
        if op.ipolicy:
            warn_of_violations(ctx, {group.uuid: filled_ipolicy(after, group)
                                     for group in ctx.snapshot.groups.values()})
        warn_of_templates(ctx, after)
        nodes: list[Node] = []
        if op.candidate_pool_size is not None:
            nodes = (promoted(ctx.snapshot, op.candidate_pool_size)
                     + demoted(ctx.snapshot, op.candidate_pool_size))
        return SettingsPlan(values, tuple(nodes), tuple(_network_jobs(ctx, values)))

    def scripts(self, op: ClusterSetParams, ctx: OpContext, plan: SettingsPlan) -> Scripts:
        own = texts(op_target=ctx.current.cluster.name, new_vg_name=op.vg_name)
        return Scripts("cluster-modify", "CLUSTER", own)

    def run(
        self, op: ClusterSetParams, ctx: OpContext, plan: SettingsPlan
    ) -> dict[str, Any] | None:
        for node in plan.nodes:
            role = "a master candidate" if node.master_candidate else "a regular node"
            ctx.info(f"Node {node.name} becomes {role}")
        # Others (the drain flag) are changed without our lock.
        before = ctx.current.cluster
        result = submitted(ctx, op, plan.jobs, pivot=False) if plan.jobs else None
        ctx.commit([Edit(before, plan.values), *(Put(node) for node in plan.nodes)], result)
        distribute(ctx)
        move_master_ip(ctx, before)
        return result


def _network_jobs(ctx: OpContext, values: dict[str, Any]) -> list[list[OpCode]]:
    """What a new network for the communication with instances needs; tells what it means."""
    name = values.get("instance_communication_network")
    old = ctx.snapshot.cluster.instance_communication_network
    if name is None:
        return []
    if name != old:
        if old and ctx.snapshot.find("network", old) is not None:
            ctx.feedback(f"Previous instance communication network '{old}' should be removed "
                         "manually.")
        what = (f"Changing instance communication network to '{name}'" if name else
                "Disabling instance communication network")
        ctx.feedback(f"{what}, only new instances will be affected.")
    groups = sorted(group.name for group in ctx.snapshot.groups.values())
    return network_jobs(ctx.snapshot, name, groups) if name else []


OPERATIONS = (Modify(),)
