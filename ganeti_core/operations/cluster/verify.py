"""``OP_CLUSTER_VERIFY`` and the jobs that it expands into: is everything as it should be?

One job verifies what is of the whole cluster, one each node group (`verify_group.py`). Findings are
job log lines in Ganeti's form; the result is False if one is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, OpPrereqError
from ganeti_core.node.services.verify import certificate_ending
from ganeti_core.opcodes.cluster import ClusterVerify, ClusterVerifyConfig, ClusterVerifyGroup
from ganeti_core.opcodes.verification import check_names
from ganeti_core.operations.base import Operation
from ganeti_core.operations.cluster.candidates import promoted
from ganeti_core.operations.cluster.findings import Findings, Level
from ganeti_core.operations.cluster.verify_files import COPY_SECONDS
from ganeti_core.operations.expand import submitted
from ganeti_core.operations.inherited import check_policy_templates
from ganeti_core.operations.ssconf import candidates_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.extstorage import EXTSTORAGE
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.plugin_registry import DISABLED
from ganeti_core.specs.identities import options_of

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext


class Verify(Operation[ClusterVerify, tuple[str, ...]]):
    """Expand into the jobs that do the work."""

    opcode = ClusterVerify

    def plan(self, op: ClusterVerify, ctx: OpContext) -> tuple[str, ...]:
        check_names(op.ignore_errors, op.skip_checks)
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
        return submitted(ctx, op, jobs)


class VerifyConfig(Operation[ClusterVerifyConfig, None]):
    """Verify what is not of one group: certificates, plugins, parameters, debts."""

    opcode = ClusterVerifyConfig

    def plan(self, op: ClusterVerifyConfig, ctx: OpContext) -> None:
        check_names(op.ignore_errors)

    def run(self, op: ClusterVerifyConfig, ctx: OpContext, plan: None) -> bool:
        findings = Findings.of(op, ctx)
        ctx.feedback("* Verifying cluster config")
        _verify_debts(ctx, findings)
        _verify_copies(ctx, findings)
        _verify_candidates(ctx, findings)
        _verify_policies(ctx, findings)
        ctx.feedback("* Verifying cluster certificate files")
        _verify_certificates(ctx, findings)
        ctx.feedback("* Verifying hypervisor parameters")
        _verify_plugins(ctx, findings)
        _verify_parameters(ctx, findings)
        ctx.feedback("* Verifying all nodes belong to an existing group")
        _verify_places(ctx, findings)
        return not findings.bad


def _verify_places(ctx: OpContext, findings: Findings) -> None:
    """Whether each node has its group, and each instance its node: no group's job sees others."""
    snapshot = ctx.snapshot
    dangling = [node for node in snapshot.nodes.values() if node.group not in snapshot.groups]
    shown = [f"{node.name} ({', '.join(sorted(i.name for i in snapshot.instances_on(node.uuid)))})"
             for node in dangling]
    findings.error_if(
        bool(dangling), "ECLUSTERDANGLINGNODES", "",
        f"the following nodes (and their instances) belong to a non existing group: "
        f"{', '.join(sorted(shown))}")
    lost = sorted(instance.name for instance in snapshot.instances.values()
                  if instance.primary_node not in snapshot.nodes)
    findings.error_if(
        bool(lost), "ECLUSTERDANGLINGINST", "",
        f"the following instances have a non-existing primary-node: {', '.join(lost)}")


def _verify_policies(ctx: OpContext, findings: Findings) -> None:
    """Whether instances can be made at all: a policy may have been overtaken by other settings."""
    cluster = ctx.snapshot.cluster
    for group in (None, *ctx.snapshot.groups.values()):
        try:
            check_policy_templates(cluster, group, {})
        except OpPrereqError as exc:
            findings.error("ECLUSTERCFG", "", exc.message)


def _verify_debts(ctx: OpContext, findings: Findings) -> None:
    for debt in ctx.services.all_debts():
        node = ctx.snapshot.nodes.get(debt.node)
        findings.error("ECLUSTERDEBT", node.name if node else debt.node,
                       f"owed since job {debt.job}: {debt.note} ({debt.why}); "
                       f"see gnt-node list-debts")


def _verify_copies(ctx: OpContext, findings: Findings) -> None:
    for uuid, is_current in ctx.services.copies(COPY_SECONDS).items():
        node = ctx.current.nodes.get(uuid)
        if node is not None:
            findings.error_if(not is_current, "ECLUSTERFILECHECK", node.name,
                              "its copy of the configuration is old: it gets a new one as soon "
                              "as it answers, and cannot become master before")


def _verify_candidates(ctx: OpContext, findings: Findings) -> None:
    """Whether as many nodes have copies of the configuration as could and should have them."""
    able = promoted(ctx.snapshot, ctx.snapshot.cluster.candidate_pool_size)
    now = len(candidates_of(ctx.snapshot))
    findings.error_if(
        bool(able), "ECLUSTERCFG", "",
        f"Not enough master candidates: actual {now}, target {now + len(able)}; gnt-node modify "
        "--master-candidate=yes makes a node one")


def _verify_certificates(ctx: OpContext, findings: Findings) -> None:
    paths = ctx.services.paths
    for file in (paths.node_key, paths.ca_key):
        mode = file.stat().st_mode & 0o777 if file.exists() else None
        findings.error_if(mode is None, "ECLUSTERCERT", str(file), "is missing")
        if mode is not None:
            findings.error_if(mode & 0o077 != 0, "ECLUSTERCERT", str(file),
                              f"has mode {mode:o}, not 600")
    # Without a file of its own the remote API does not run, and SPICE is not encrypted; that of
    # each node its group looks at.
    for file, option in ((paths.ca_certificate, "cluster"), (paths.rapi_certificate, "rapi"),
                         (paths.data / "spice.pem", "spice"),
                         (paths.data / "spice-ca.pem", "spice")):
        if file.exists():
            level, text = certificate_ending(file)
            findings.error_if(bool(text), "ECLUSTERCERT", str(file), f"{text}; gnt-cluster "
                              f"renew-crypto --new-{option}-certificate makes a new one",
                              level="WARNING" if level == "WARNING" else "ERROR")


def _verify_plugins(ctx: OpContext, findings: Findings) -> None:
    """Name broken plugins, and those that are not there; only what is needed is an error."""
    needed = _needed_plugins(ctx)
    seen = set()
    for status in (*ctx.host.status(), *ctx.services.events.status()):
        seen.add((status.kind, status.name))
        if not status.problem and not status.note:
            continue
        said = (f"{status.problem or status.note} "
                f"(from {status.distribution or 'an unknown place'})")
        level: Level = "WARNING"
        if status.problem == DISABLED:
            level = "NOTICE"
        elif status.problem and (status.kind, status.name) in needed:
            level = "ERROR"
        findings.error("ECLUSTERCFG", f"plugin {status.kind} {status.name}", said, level=level)
    for kind, name in sorted(needed - seen):
        # Systems and storage providers are looked for on the nodes that use them.
        if name and kind not in (OS_DEFINITIONS.name, EXTSTORAGE.name):
            findings.error("ECLUSTERCFG", f"plugin {kind} {name}",
                           f"is not installed on the master; {_users(ctx.snapshot, kind, name)}")


def _users(snapshot: Snapshot, kind: str, name: str) -> str:
    """Who needs a plugin: the cluster's settings, or which instances."""
    names = sorted(one.name for one in snapshot.instances.values() if name in (
        (one.hypervisor,) if kind == HYPERVISORS.name
        else {disk.template for disk in snapshot.disks_of(one)}))
    return f"used by instance(s) {', '.join(names)}" if names else "the cluster has it enabled"


def _needed_plugins(ctx: OpContext) -> set[tuple[str, str]]:
    """Kind and name of what the cluster has enabled, or an instance uses."""
    cluster = ctx.snapshot.cluster
    instances, disks = ctx.snapshot.instances.values(), ctx.snapshot.disks.values()
    return {
        *((HYPERVISORS.name, name) for name in cluster.enabled_hypervisors),
        *((HYPERVISORS.name, one.hypervisor) for one in instances),
        *((DISK_TEMPLATES.name, name) for name in cluster.enabled_disk_templates),
        *((DISK_TEMPLATES.name, one.template) for one in disks),
        *((OS_DEFINITIONS.name, one.os.partition("+")[0]) for one in instances),
        *((EXTSTORAGE.name, str(options_of(ctx.host, one).get("provider", ""))) for one in disks),
        (IALLOCATORS.name, cluster.default_iallocator),
    }


def _verify_parameters(ctx: OpContext, findings: Findings) -> None:
    cluster = ctx.snapshot.cluster
    for name in cluster.enabled_hypervisors:
        try:
            ctx.host.check_parameters(HYPERVISORS, name, cluster.hvparams.get(name, {}))
        except GanetiError as exc:
            findings.error("ECLUSTERCFG", cluster.name, exc.message)
    for instance in ctx.snapshot.instances.values():
        if not ctx.host.has(HYPERVISORS, instance.hypervisor):
            continue  # reported as a plugin that is missing
        try:
            ctx.host.check_parameters(HYPERVISORS, instance.hypervisor, instance.hvparams)
        except GanetiError as exc:
            findings.error("EINSTANCEMISSINGCFGPARAMETER", instance.name,
                           exc.message)


OPERATIONS = (Verify(), VerifyConfig())
