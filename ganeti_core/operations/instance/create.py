"""``OP_INSTANCE_CREATE``: choose nodes, make disks, install, start; or leave no trace.

Every disk's removal and the guest's stop are recorded before the act. The one commit adds the
instance with its disks and forgets the undo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NORES,
    ECODE_STATE,
    GanetiError,
    OpExecError,
    OpPrereqError,
    RpcError,
)
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model import Disk, Instance, new_uuid
from ganeti_core.model.params import filled_beparams, filled_hvparams, filled_ipolicy
from ganeti_core.opcodes.instance import InstanceCreate
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.disks import (
    check_space,
    check_template,
    close_calls,
    open_disks,
    plan_disk,
    remove_calls,
)
from ganeti_core.operations.instance.hardware import check_policy, disk_requests
from ganeti_core.operations.instance.nics import check_conflicts, connected_nic, new_nics
from ganeti_core.operations.instance.place import (
    candidates,
    choose_place,
    until_there_is_room,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disk_spec_of, installing, with_disks
from ganeti_core.operations.tags import with_tags
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.query.specs import instance_spec
from ganeti_core.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest, DiskSpec

_NOT_BUILT = {
    "forthcoming": False, "commit": False, "instance_communication": False,
    "src_node": None, "src_path": None,
}


@dataclass(frozen=True)
class CreatePlan:
    """What will be made, and where."""

    instance: Instance
    disks: tuple[Disk, ...]
    nodes: tuple[Node, ...]
    """The primary node, then the secondaries."""
    install: bool
    start: bool

    @property
    def primary(self) -> Node:
        return self.nodes[0]


class Create(Operation[InstanceCreate, CreatePlan]):
    """Make an instance."""

    opcode = InstanceCreate

    def locks(self, op: InstanceCreate, snapshot: Snapshot) -> LockRequest:
        # No node is locked: the chosen room is set aside, and the commit checks again.
        return replace(request(op, Want(Level.INSTANCE, op.instance_name)),
                       any_of=candidates(op, snapshot))

    def plan(self, op: InstanceCreate, ctx: OpContext) -> CreatePlan:
        _check_built(op)
        name = _check_name(op, ctx)
        hypervisor = _hypervisor(op, ctx)
        template = op.disk_template or "diskless"
        check_template(ctx, template)
        no_disks = "no_disks" in ctx.host.describe(DISK_TEMPLATES, template).capabilities
        requests = disk_requests(name, op.disks, no_disks=no_disks)
        draft = self._draft(op, ctx, (name, hypervisor, template))

        def attempt() -> CreatePlan:
            nodes = choose_place(op, ctx, draft, requests)
            connected = _connected(op, ctx, draft, nodes[0])
            _check_policy(op, ctx, connected, requests, nodes[0])
            instance, disks = _layout(ctx, connected, requests, nodes)
            install = bool(op.os_type) and not op.no_install
            plan = CreatePlan(instance, disks, nodes, install, op.start)
            _check_nodes(op, ctx, plan)
            return plan

        return attempt() if op.pnode else until_there_is_room(op, ctx, attempt)

    def _draft(
        self, op: InstanceCreate, ctx: OpContext, kinds: tuple[str, str, str]
    ) -> Instance:
        """The instance without its place: all parameters checked."""
        name, hypervisor, template = kinds
        beparams = checked_beparams(op.beparams)
        hvparams = {key: value for key, value in op.hvparams.items() if value != "default"}
        _check_hvparams(ctx, hypervisor, hvparams)
        needs_port = "needs_port" in ctx.host.describe(HYPERVISORS, hypervisor).capabilities
        instance = Instance(
            uuid=new_uuid(), name=name, primary_node="", hypervisor=hypervisor,
            os=op.os_type or "", disk_template=template,
            admin_state="up" if op.start else "down", hvparams=hvparams, beparams=beparams,
            osparams=_texts(op.osparams), osparams_private=_texts(op.osparams_private or {}),
            nics=new_nics(ctx, op.nics), tags=with_tags((), op.tags), disks_active=op.start,
            network_port=ctx.services.reservations.port(ctx.owner) if needs_port else None)
        check_memory_bounds(filled_beparams(ctx.snapshot.cluster, instance))
        return instance

    def dry_run_result(self, op: InstanceCreate, plan: CreatePlan) -> list[str]:
        return [node.name for node in plan.nodes]

    def scripts(self, op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> Scripts:
        own = texts(add_mode=op.mode, instance_status=plan.start)
        return instance_scripts(ctx, "instance-add", plan.instance, own, disks=plan.disks)

    def run(self, op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> list[str]:
        specs = [disk_spec_of(ctx, disk, index, plan.instance.name)
                 for index, disk in enumerate(plan.disks)]
        if specs:
            ctx.feedback("* creating instance disks...")
            for node in plan.nodes:
                _create_disks(ctx, plan, node, specs)
        opened = open_disks(ctx, plan.primary, plan.instance.uuid, specs)
        # The snapshot with the instance in it, so that it is described as it will be.
        spec = with_disks(instance_spec(_as_committed(ctx, plan), ctx.host, plan.instance), opened)
        if plan.install:
            ctx.feedback("* running the instance OS create scripts...")
            name, _, variant = plan.instance.os.partition("+")
            secret = _texts(op.osparams_secret or {})
            ctx.hook(plan.primary, OS_DEFINITIONS, name, "create", subject=plan.instance.uuid,
                     instance=installing(spec, ctx.snapshot.cluster, plan.instance, secret),
                     variant=variant, reinstall=False)
        if plan.start:
            ctx.feedback("* starting instance...")
            hypervisor = plan.instance.hypervisor
            ctx.act(
                plan.primary,
                ctx.hook_call(HYPERVISORS, hypervisor, "start", subject=plan.instance.uuid,
                              instance=spec, paused=False),
                ctx.hook_call(HYPERVISORS, hypervisor, "stop", subject=plan.instance.uuid,
                              name=plan.instance.name, force=True, timeout=0.0),
                f"stop {plan.instance.name}")
        names = [node.name for node in plan.nodes]
        changes = [*(Put(disk) for disk in plan.disks), Put(plan.instance)]
        # Installing needed them open; nobody uses them until it starts.
        ctx.commit(changes, names, forward=[] if plan.start else close_calls(
            ctx, plan.primary, plan.instance.uuid, specs))
        _tell(ctx, plan)
        return names


def _tell(ctx: OpContext, plan: CreatePlan) -> None:
    name, uuid = plan.instance.name, plan.instance.uuid
    ctx.services.events.tell("instance_created", name=name, uuid=uuid,
                             nodes=tuple(node.name for node in plan.nodes))
    if plan.start:
        ctx.services.events.tell("instance_started", name=name, uuid=uuid, node=plan.primary.name)


def _check_built(op: InstanceCreate) -> None:
    if op.mode != "create":
        raise OpPrereqError(f"Instance creation mode '{op.mode}' is not available in this version",
                            ECODE_INVAL)
    for name, neutral in _NOT_BUILT.items():
        if getattr(op, name) != neutral:
            raise OpPrereqError(f"The parameter '{name}' is not available in this version",
                                ECODE_INVAL)
    if not op.os_type and not op.no_install:
        raise OpPrereqError("No guest OS or OS image specified", ECODE_INVAL)


def _check_name(op: InstanceCreate, ctx: OpContext) -> str:
    name = op.instance_name
    if not name or "/" in name or name.startswith((".", "-")) or any(c.isspace() for c in name):
        raise OpPrereqError(f"Invalid instance name '{name}'", ECODE_INVAL)
    if op.ip_check and not op.name_check:
        raise OpPrereqError("Cannot do IP address check without a name check", ECODE_INVAL)
    if ctx.snapshot.find("instance", name) is not None:
        raise OpPrereqError(f"Instance '{name}' is already in the cluster", ECODE_EXISTS)
    if op.name_check:
        name = resolve(ctx.services.paths, name).name
    ctx.services.reservations.reserve("name:instance", name, ctx.owner)
    return name


def _hypervisor(op: InstanceCreate, ctx: OpContext) -> str:
    enabled = ctx.snapshot.cluster.enabled_hypervisors
    name = op.hypervisor or enabled[0]
    if name not in enabled:
        raise OpPrereqError(f"Selected hypervisor ({name}) not enabled in the cluster "
                            f"({','.join(enabled)})", ECODE_STATE)
    return name


def _check_hvparams(ctx: OpContext, hypervisor: str, given: dict[str, Any]) -> None:
    schema = ctx.host.describe(HYPERVISORS, hypervisor).parameters.get("properties", {})
    for key in given:
        if schema.get(key, {}).get("x-global"):
            raise OpPrereqError(f"The following hypervisor parameters are global and cannot be "
                                f"customized at instance level: {key}", ECODE_INVAL)
    ctx.host.check_parameters(HYPERVISORS, hypervisor, given)


def _texts(params: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in params.items()}


def _connected(op: InstanceCreate, ctx: OpContext, draft: Instance, node: Node) -> Instance:
    """The instance with cards as its node's group connects them to networks."""
    if op.conflicts_check:
        check_conflicts(ctx, draft.nics, node)
    return replace(draft, nics=tuple(connected_nic(ctx, nic, node) for nic in draft.nics))


def _check_policy(
    op: InstanceCreate, ctx: OpContext, draft: Instance, requests: Sequence[DiskRequest],
    primary: Node,
) -> None:
    if op.ignore_ipolicy:
        return
    cluster = ctx.snapshot.cluster
    policy = filled_ipolicy(cluster, ctx.snapshot.groups[primary.group])
    check_policy(policy, filled_beparams(cluster, draft), draft.disk_template,
                 ([r.size for r in requests], len(draft.nics)))


def _layout(
    ctx: OpContext, draft: Instance, requests: Sequence[DiskRequest], nodes: tuple[Node, ...]
) -> tuple[Instance, tuple[Disk, ...]]:
    """Let the disk template plan the disks on the chosen nodes."""
    uuids = tuple(node.uuid for node in nodes)
    disks = [plan_disk(ctx, draft.disk_template, asked, nodes, draft.uuid) for asked in requests]
    return replace(
        draft, primary_node=uuids[0], secondary_nodes=uuids[1:],
        disks=tuple(disk.uuid for disk in disks)), tuple(disks)


def _check_nodes(op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> None:
    """Ask the nodes whether they can: role, hypervisor, OS, memory, disk space."""
    for node in plan.nodes:
        if node.offline:
            raise OpPrereqError(f"Cannot use offline node '{node.name}'", ECODE_STATE)
        if node.drained:
            raise OpPrereqError(f"Cannot use drained node '{node.name}'", ECODE_STATE)
        if not node.vm_capable:
            raise OpPrereqError(f"Cannot use non-vm_capable node '{node.name}'", ECODE_STATE)
    instance, primary = plan.instance, plan.primary
    cluster = ctx.snapshot.cluster
    hvparams = filled_hvparams(
        ctx.host.defaults(HYPERVISORS, instance.hypervisor), cluster, instance)
    try:
        ctx.hook(primary, HYPERVISORS, instance.hypervisor, "validate", params=hvparams)
        if plan.install:
            _check_os(op, ctx, plan)
        facts = ctx.hook(primary, HYPERVISORS, instance.hypervisor, "host_facts")
        for node in plan.nodes if plan.disks else ():
            check_space(ctx, node, instance.disk_template, sum(disk.size for disk in plan.disks))
    except RpcError as exc:
        raise OpPrereqError(f"Node '{primary.name}' cannot be asked: {exc}", ECODE_ENVIRON) from exc
    wanted = filled_beparams(cluster, instance)["maxmem"]
    held = ctx.services.reservations.held_on(primary.uuid, ctx.owner).memory
    if plan.start and facts.memory_free - held < wanted:
        raise OpPrereqError(
            f"Not enough memory on node {primary.name} for creating instance {instance.name}: "
            f"needed {wanted} MiB, available {facts.memory_free - held} MiB", ECODE_NORES)


def _check_os(op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> None:
    name, _, variant = plan.instance.os.partition("+")
    params = installing(
        instance_spec(_as_committed(ctx, plan), ctx.host, plan.instance), ctx.snapshot.cluster,
        plan.instance, _texts(op.osparams_secret or {})).osparams
    try:
        ctx.hook(plan.primary, OS_DEFINITIONS, name, "validate", variant=variant, params=params)
    except GanetiError as exc:
        raise OpExecError(f"OS Parameters validation failed on node {plan.primary.name}: "
                          f"{exc.args[0] if exc.args else exc}") from exc


def _create_disks(
    ctx: OpContext, plan: CreatePlan, node: Node, specs: Sequence[DiskSpec]
) -> None:
    uuid = plan.instance.uuid
    ctx.saga.record_all([(where.uuid, call, note)
                         for where, call, note in remove_calls(ctx, node, uuid, specs)])
    for spec in specs:
        ctx.hook(node, DISK_TEMPLATES, spec.template, "create", subject=uuid, disk=spec)


def _as_committed(ctx: OpContext, plan: CreatePlan) -> Snapshot:
    """The snapshot as if the instance were in it."""
    snapshot = ctx.current
    objects = dict(snapshot.objects)
    objects["disk"] = {disk.uuid: disk for disk in plan.disks}
    objects["instance"] = {plan.instance.uuid: plan.instance}
    return replace(snapshot, objects=objects)


OPERATIONS = (Create(),)
