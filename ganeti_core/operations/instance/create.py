"""``OP_INSTANCE_CREATE``: choose nodes, make disks, install, start; or leave no trace.

Every disk's removal and the guest's stop are recorded before the act. The one commit adds the
instance with its disks and forgets the undo.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Change, Delete, Put
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_NORES,
    ECODE_STATE,
    OpPrereqError,
    RpcError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model import Disk, Instance, new_uuid
from ganeti_core.model.names import host_name
from ganeti_core.model.params import filled_beparams, filled_hvparams, filled_ipolicy
from ganeti_core.opcodes.instance import InstanceCreate
from ganeti_core.operations.backup.importing import (
    Source,
    bring_in,
    find_export,
    source_locks,
    with_exported,
)
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.communication import with_card
from ganeti_core.operations.disk_work import close_calls, make_disks, wipe_disks
from ganeti_core.operations.disks import (
    check_options,
    check_template,
    plan_disk,
    template_without_disks,
)
from ganeti_core.operations.driver_needs import disk_needs, guest_needs, system_needs
from ganeti_core.operations.instance.adoption import (
    as_found,
    check_adoption,
    is_adopting,
    settled,
)
from ganeti_core.operations.instance.autos import with_address, with_defaults
from ganeti_core.operations.instance.create_checks import (
    check_allowed,
    check_built,
    check_hvparams,
    check_name,
    checked_hypervisor,
    with_file_options,
)
from ganeti_core.operations.instance.forthcoming import (
    on_reserved_nodes,
    reserved_nics,
    to_commit,
)
from ganeti_core.operations.instance.hardware import check_disk_count, disk_requests
from ganeti_core.operations.instance.installation import (
    Limits,
    check_installation,
    install,
    limits_of,
)
from ganeti_core.operations.instance.nics import (
    check_conflicts,
    check_distinct,
    connected_nic,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import check_os_parameters
from ganeti_core.operations.instance.syncing import wait_for_sync
from ganeti_core.operations.instance_policy import check_policy
from ganeti_core.operations.networking import check_links
from ganeti_core.operations.os_schema import check_apart, check_given
from ganeti_core.operations.parameters import (
    check_memory_bounds,
    checked_beparams,
    os_parameters,
)
from ganeti_core.operations.placement.disk_space import check_space
from ganeti_core.operations.placement.memory import check_memory, free_memory
from ganeti_core.operations.placement.new_instance import explain_placement, place_instance
from ganeti_core.operations.placement.nodes import candidates, kept, still_usable
from ganeti_core.operations.placement.retry import retry_for_resources
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disk_spec_of, installing, new_spec, with_disks
from ganeti_core.operations.tags import with_tags
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.plugin_api.data import DiskRequest, DiskSpec


@dataclass(frozen=True)
class CreatePlan:
    """What will be made, and where."""

    instance: Instance
    disks: tuple[Disk, ...]
    nodes: tuple[Node, ...]
    """The primary node, then the secondaries."""
    install: bool
    start: bool
    source: Source | None = None
    """The export that it is made of."""
    helped: Limits | None = None
    """Where a helper guest installs it: its limits."""
    reserved: Instance | None = None
    """The forthcoming instance whose place it takes."""

    @property
    def primary(self) -> Node:
        return self.nodes[0]


class Create(Operation[InstanceCreate, CreatePlan]):
    """Make an instance."""

    opcode = InstanceCreate
    of_forthcoming = True

    def locks(self, op: InstanceCreate, snapshot: Snapshot) -> LockRequest:
        # Nodes that are to be chosen are locked once they are chosen.
        named = [snapshot.node(name).uuid for name in (op.pnode, op.snode, op.src_node) if name]
        reserved = to_commit(op, snapshot)
        if reserved is not None:
            named += [reserved.primary_node, *reserved.secondary_nodes]
        wants = kept(named) if op.pnode or reserved else []
        if op.mode == "import":
            wants += source_locks(op, snapshot)
        name = reserved.name if reserved else host_name(op.instance_name)
        return replace(request(op, Want(Level.INSTANCE, name), *wants),
                       any_of=None if reserved else candidates(op, snapshot))

    def plan(self, op: InstanceCreate, ctx: OpContext) -> CreatePlan:
        check_built(op)
        source = find_export(op, ctx) if op.mode == "import" else None
        if source is not None:
            op = with_exported(op, ctx, source)
        op = with_defaults(op, ctx)
        check_allowed(op, ctx)
        reserved = to_commit(op, ctx.snapshot)
        if reserved is not None:
            op = on_reserved_nodes(op, ctx, reserved)
        name = check_name(op, ctx, reserved)
        op = replace(op, nics=with_card(with_address(op, ctx, name), ctx, name))
        hypervisor = checked_hypervisor(op, ctx)
        template = op.disk_template or template_without_disks(ctx)
        check_template(ctx, template)
        no_disks = NO_DISKS in ctx.host.describe(DISK_TEMPLATES, template).capabilities
        requests = with_file_options(op, ctx, template, disk_requests(
            name, op.disks, no_disks=no_disks))
        check_disk_count(ctx, hypervisor, len(requests))
        for asked in requests:
            check_options(ctx, template, asked.options)
        adopting = check_adoption(op, ctx, template, requests)
        draft = self._draft(op, ctx, (name, hypervisor, template), reserved)

        def checked(nodes: tuple[Node, ...]) -> CreatePlan:
            connected = _connected(op, ctx, draft, nodes[0])
            if not adopting:
                _check_policy(op, ctx, connected, requests, nodes[0])
            instance, disks = _layout(ctx, connected, requests, nodes)
            if adopting:
                disks = as_found(ctx, disks, name, nodes[0])
                _check_policy(op, ctx, connected, disks, nodes[0])
            install = (bool(op.os_type) and not op.no_install and source is None
                       and not adopting)
            plan = CreatePlan(instance, disks, nodes, install, instance.admin_state == "up",
                              source, reserved=reserved)
            _check_nodes(op, ctx, plan)
            return _helped(op, ctx, plan)

        def attempt() -> CreatePlan:
            nodes = place_instance(op, ctx, draft, requests)
            give_back = ctx.lock_more(*kept(node.uuid for node in nodes))
            try:
                return checked(still_usable(ctx, nodes))
            except BaseException:
                give_back()
                raise

        explain_placement(op, ctx, draft, requests)
        if op.pnode:
            return checked(place_instance(op, ctx, draft, requests))
        return retry_for_resources(ctx, attempt, opportunistic=op.opportunistic_locking)

    def _draft(
        self, op: InstanceCreate, ctx: OpContext, kinds: tuple[str, str, str],
        reserved: Instance | None,
    ) -> Instance:
        """The instance without its place: all parameters checked."""
        name, hypervisor, template = kinds
        beparams = checked_beparams(op.beparams)
        hvparams = {key: value for key, value in op.hvparams.items() if value != "default"}
        check_hvparams(ctx, hypervisor, hvparams)
        check_given(ctx.host, op.os_type or "", op.osparams, op.osparams_private)
        check_apart(op.osparams, op.osparams_private, op.osparams_secret)
        needs_port = "port" in ctx.host.describe(HYPERVISORS, hypervisor).pools
        starts = op.start and not op.forthcoming
        instance = Instance(
            uuid=reserved.uuid if reserved else new_uuid(), name=name, primary_node="",
            hypervisor=hypervisor, os=op.os_type or "", disk_template=template,
            admin_state="up" if starts else "down", forthcoming=op.forthcoming,
            hvparams=hvparams, beparams=beparams,
            osparams=os_parameters(op.osparams),
            osparams_private=os_parameters(op.osparams_private),
            nics=reserved_nics(ctx, op.nics, reserved), tags=with_tags((), op.tags),
            disks_active=starts, network_port=_port(ctx, reserved) if needs_port else None)
        check_memory_bounds(filled_beparams(ctx.snapshot.cluster, instance))
        return instance

    def dry_run_result(self, op: InstanceCreate, plan: CreatePlan) -> list[str]:
        return [node.name for node in plan.nodes]

    def scripts(self, op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> Scripts:
        own = texts(add_mode=op.mode, instance_status=plan.start)
        if (source := plan.source) is not None:
            own |= texts(src_node=source.node.name, src_path=source.path, src_images=[
                source.dump(at) for at in range(len(plan.disks))])
        return instance_scripts(ctx, "instance-add", plan.instance, own, disks=plan.disks)

    def needs(self, op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> list[Need]:
        return [*guest_needs(ctx, plan.instance, plan.primary),
                *disk_needs(plan.disks, plan.nodes),
                *(system_needs(plan.instance, plan.primary) if plan.install else ())]

    def run(self, op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> list[str]:
        names = [node.name for node in plan.nodes]
        changes = [*(Put(settled(disk)) for disk in plan.disks), Put(plan.instance)]
        if op.forthcoming:
            ctx.feedback("Instance is forthcoming, not creating disks")
            ctx.commit(changes, names)
            return names
        specs = _disk_specs(ctx, plan)
        if specs:
            ctx.feedback("* creating instance disks...")
        opened = make_disks(ctx, plan.nodes, plan.instance.uuid, specs, opened=True)
        wipe_disks(ctx, plan.primary, plan.instance.uuid,
                   [disk for disk in opened if not is_adopting(disk)])
        if op.wait_for_sync:
            wait_for_sync(ctx, plan.instance, specs)
        spec = with_disks(new_spec(ctx, plan.instance, plan.disks), opened)
        told = installing(ctx, spec, plan.instance, os_parameters(op.osparams_secret))
        after: list[Owed] = []
        if plan.source is not None:
            after += bring_in(op, ctx, plan.source, told, plan.primary)
        elif plan.install:
            ctx.feedback("* running the instance OS create scripts...")
            install(ctx, plan.instance, plan.primary, told, reinstall=False, helped=plan.helped)
        if plan.start:
            ctx.feedback("* starting instance...")
            hypervisor = plan.instance.hypervisor
            ctx.act(
                plan.primary,
                ctx.hook_call(HYPERVISORS, hypervisor, "start", subject=plan.instance.uuid,
                              instance=spec, paused=False),
                ctx.hook_call(HYPERVISORS, hypervisor, "stop", subject=plan.instance.uuid,
                              instance=spec, force=True, timeout=0.0),
                f"stop {plan.instance.name}")
        # Installing needed them open; nobody uses them until it starts.
        if not plan.start:
            after += close_calls(ctx, plan.nodes, plan.instance.uuid, specs)
        ctx.commit([*changes, *_promised(ctx, plan)], names, forward=after)
        _tell(ctx, plan)
        return names


def _helped(op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> CreatePlan:
    """The plan with a helper guest, where one has to install the instance."""
    helped = plan.install and check_installation(ctx, plan.instance, plan.primary)
    limits = limits_of(op, helped=helped)
    if helped and not op.start:
        memory = filled_beparams(ctx.snapshot.cluster, plan.instance)["maxmem"]
        check_memory(ctx, plan.instance, plan.primary, memory, "installing")
    return replace(plan, helped=limits if helped else None)


def _promised(ctx: OpContext, plan: CreatePlan) -> list[Change]:
    """The disks that were only reserved go when the real ones come."""
    if plan.reserved is None:
        return []
    return [Delete(disk) for disk in ctx.snapshot.disks_of(plan.reserved)]


def _port(ctx: OpContext, reserved: Instance | None) -> int:
    if reserved is not None and reserved.network_port is not None:
        return reserved.network_port
    return ctx.services.reservations.port(ctx.owner)


def _tell(ctx: OpContext, plan: CreatePlan) -> None:
    name, uuid = plan.instance.name, plan.instance.uuid
    ctx.services.events.tell("instance_created", name=name, uuid=uuid,
                             nodes=tuple(node.name for node in plan.nodes))
    if plan.start:
        ctx.services.events.tell("instance_started", name=name, uuid=uuid, node=plan.primary.name)


def _connected(op: InstanceCreate, ctx: OpContext, draft: Instance, node: Node) -> Instance:
    """The instance with cards as its node's group connects them to networks."""
    if op.conflicts_check:
        check_conflicts(ctx, draft.nics, node)
    nics = tuple(connected_nic(ctx, nic, node) for nic in draft.nics)
    check_distinct(ctx, nics)
    return replace(draft, nics=nics)


def _check_policy(
    op: InstanceCreate, ctx: OpContext, draft: Instance,
    requests: Sequence[DiskRequest] | Sequence[Disk], primary: Node,
) -> None:
    if op.ignore_ipolicy:
        return
    cluster = ctx.snapshot.cluster
    group = ctx.snapshot.groups[primary.group]
    check_policy(group, filled_ipolicy(cluster, group), filled_beparams(cluster, draft),
                 draft.disk_template, ([r.size for r in requests], len(draft.nics)))


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
    needed = space_needed(ctx.on_master, [
        spec for spec in _disk_specs(ctx, plan) if not is_adopting(spec)])
    hvparams = filled_hvparams(
        ctx.host.defaults(HYPERVISORS, instance.hypervisor), cluster, instance)
    try:
        ctx.hook(primary, HYPERVISORS, instance.hypervisor, "validate", params=hvparams)
        check_links(ctx, instance, instance.nics, primary)
        if plan.install or (plan.source is not None and instance.os):
            _check_os(op, ctx, plan)
        for node in plan.nodes if plan.disks else ():
            check_space(ctx, node, needed)
    except RpcError as exc:
        raise OpPrereqError(str(exc), ECODE_ENVIRON) from exc  # it names the node, any of them
    if not op.start:
        return
    wanted = filled_beparams(cluster, instance)["maxmem"]
    free, _ = free_memory(ctx, instance, primary)
    if free < wanted:
        raise OpPrereqError(
            f"Not enough memory on node {primary.name} for creating instance {instance.name}: "
            f"needed {wanted} MiB, available {free} MiB", ECODE_NORES)


def _check_os(op: InstanceCreate, ctx: OpContext, plan: CreatePlan) -> None:
    name, _, variant = plan.instance.os.partition("+")
    params = installing(
        ctx, new_spec(ctx, plan.instance, plan.disks), plan.instance,
        os_parameters(op.osparams_secret)).osparams
    check_os_parameters(ctx, plan.primary, (name, variant), params,
                        force_variant=op.force_variant)


def _disk_specs(ctx: OpContext, plan: CreatePlan) -> list[DiskSpec]:
    return [disk_spec_of(ctx, disk, index, plan.instance.name)
            for index, disk in enumerate(plan.disks)]


OPERATIONS = (Create(),)
