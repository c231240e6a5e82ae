"""``OP_CLUSTER_VERIFY`` and the jobs that it expands into: is everything as it should be?

One job verifies what is of the whole cluster, one each node group (`verify_group.py`). Findings are
job log lines in the peer's form; the result is False if one is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.opcodes.cluster import ClusterVerify, ClusterVerifyConfig, ClusterVerifyGroup
from ganeti_core.operations.base import Operation
from ganeti_core.operations.cluster.findings import Findings
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.operations.context import OpContext

COPY_SECONDS = 4.0
"""In which a candidate that was away a moment ago has caught up: longer than between two tries."""


class Verify(Operation[ClusterVerify, tuple[str, ...]]):
    """Expand into the jobs that do the work."""

    opcode = ClusterVerify

    def plan(self, op: ClusterVerify, ctx: OpContext) -> tuple[str, ...]:
        if op.group_name:
            return (ctx.snapshot.group(op.group_name).name,)
        return tuple(sorted(group.name for group in ctx.snapshot.groups.values()))

    def run(self, op: ClusterVerify, ctx: OpContext, plan: tuple[str, ...]) -> dict[str, Any]:
        shared: dict[str, Any] = {
            "error_codes": op.error_codes, "ignore_errors": op.ignore_errors,
            "verbose": op.verbose, "debug_simulate_errors": op.debug_simulate_errors}
        jobs: list[list[Any]] = [] if op.group_name else [[ClusterVerifyConfig(**shared)]]
        jobs += [[ClusterVerifyGroup(group_name=name, skip_checks=op.skip_checks, **shared)]
                 for name in plan]
        return {"jobs": [[True, job_id] for job_id in ctx.submit_jobs(op, jobs)]}


class VerifyConfig(Operation[ClusterVerifyConfig, None]):
    """Verify what is not of one group: certificates, plugins, parameters, debts."""

    opcode = ClusterVerifyConfig

    def plan(self, op: ClusterVerifyConfig, ctx: OpContext) -> None:
        return

    def run(self, op: ClusterVerifyConfig, ctx: OpContext, plan: None) -> bool:
        findings = Findings(ctx, op.error_codes, frozenset(op.ignore_errors))
        ctx.feedback("* Verifying cluster config")
        _verify_debts(ctx, findings)
        _verify_copies(ctx, findings)
        ctx.feedback("* Verifying cluster certificate files")
        _verify_certificates(ctx, findings)
        ctx.feedback("* Verifying hypervisor parameters")
        _verify_parameters(ctx, findings)
        ctx.feedback("* Verifying all nodes belong to an existing group")
        for node in ctx.snapshot.nodes.values():
            if node.group not in ctx.snapshot.groups:
                findings.error("ECLUSTERDANGLINGNODES", "node", node.name,
                               "belongs to a non existing group")
        return not findings.bad


def _verify_debts(ctx: OpContext, findings: Findings) -> None:
    for debt in ctx.services.all_debts():
        node = ctx.snapshot.nodes.get(debt.node)
        findings.error("ECLUSTERDEBT", "node", node.name if node else debt.node,
                       f"owed since job {debt.job}: {debt.note} ({debt.debt})")


def _verify_copies(ctx: OpContext, findings: Findings) -> None:
    for uuid, is_current in ctx.services.copies(COPY_SECONDS).items():
        node = ctx.current.nodes.get(uuid)
        if node is not None and not is_current:
            findings.error("ECLUSTERFILECHECK", "node", node.name,
                           "its copy of the configuration is old: it gets a new one as soon as it "
                           "answers, and cannot become master before")


def _verify_certificates(ctx: OpContext, findings: Findings) -> None:
    paths = ctx.services.paths
    for file in (paths.node_key, paths.ca_key):
        mode = file.stat().st_mode & 0o777 if file.exists() else None
        if mode is None:
            findings.error("ECLUSTERCERT", "cluster", str(file), "is missing")
        elif mode & 0o077:
            findings.error("ECLUSTERCERT", "cluster", str(file), f"has mode {mode:o}, not 600")


def _verify_parameters(ctx: OpContext, findings: Findings) -> None:
    cluster = ctx.snapshot.cluster
    for status in ctx.host.status():
        if status.problem:
            findings.error("ECLUSTERCFG", "cluster", f"plugin {status.kind} {status.name}",
                           f"{status.problem} (from {status.distribution or 'an unknown place'})",
                           notice=status.problem == "disabled by the administrator")
    for name in cluster.enabled_hypervisors:
        try:
            ctx.host.check_parameters(HYPERVISORS, name, cluster.hvparams.get(name, {}))
        except GanetiError as exc:
            findings.error("ECLUSTERCFG", "cluster", cluster.name, str(exc.args[0]))
    for instance in ctx.snapshot.instances.values():
        try:
            ctx.host.check_parameters(HYPERVISORS, instance.hypervisor, instance.hvparams)
        except GanetiError as exc:
            findings.error("EINSTANCEMISSINGCFGPARAMETER", "instance", instance.name,
                           str(exc.args[0]))


OPERATIONS = (Verify(), VerifyConfig())
