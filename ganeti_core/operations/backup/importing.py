"""``OP_INSTANCE_CREATE`` in mode ``import``: an instance as its export describes it.

What the opcode names comes before what the export says. The disks are made as for any new
instance, then filled from the export's files, by the instance's OS definition where it has one.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    NotSupported,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import Instance, Nic
from ganeti_core.model.names import host_name
from ganeti_core.model.params import (
    fill,
    filled_beparams,
    filled_hvparams,
    filled_nicparams,
    filled_osparams,
)
from ganeti_core.operations.backup.config_ini import Exported, read
from ganeti_core.operations.backup.export import check_compression
from ganeti_core.operations.backup.nodes import export_call, export_lock, stored_on
from ganeti_core.operations.disks import has_capability
from ganeti_core.operations.instance.lasting_state import give_state
from ganeti_core.operations.parameters import checked_beparams, given
from ganeti_core.paths import EXPORTS
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS, DiskStream
from ganeti_core.plugin_api.transfer import Offer
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import Want
    from ganeti_core.model import Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import InstanceSpec

MIB = 1 << 20
_TRUE = ("true", "yes", "on", "1")


@dataclass(frozen=True)
class Source:
    """The export that becomes an instance.

    :param path: of the export, as nodes understand it
    """

    node: Node
    path: str
    exported: Exported

    def dump(self, index: int) -> str:
        """The file of a disk; empty where there is none."""
        disks = self.exported.disks
        return disks[index].dump if index < len(disks) else ""


def _path(op: InstanceCreate) -> str:
    return op.src_path or host_name(op.instance_name)


def source_locks(op: InstanceCreate, snapshot: Snapshot) -> list[Want]:
    """The lock that keeps the export from being replaced or removed meanwhile."""
    del snapshot
    wanted = EXPORTS / _path(op)
    name = wanted.relative_to(EXPORTS).parts[:1] if wanted.is_relative_to(EXPORTS) else ()
    return [export_lock(part, exclusive=False) for part in name]


def find_export(op: InstanceCreate, ctx: OpContext) -> Source:
    """Find the export, and read what it says.

    :raises OpPrereqError: there is none, or it is damaged
    """
    check_compression(ctx, op.compress)
    path = _path(op)
    if op.src_node:
        node = ctx.snapshot.node(op.src_node)
        if node.offline:
            raise OpPrereqError(f"Can't use offline node '{node.name}'", ECODE_STATE)
    elif PurePosixPath(path).is_absolute():
        raise OpPrereqError("Importing an instance from a path requires a source node option",
                            ECODE_INVAL)
    else:
        node = _node_with(ctx, path)
    text = ctx.call(node, service_call("export.config", {"path": path}))["config"]
    source = Source(node, path, read(text, path))
    _check_files(ctx, source)
    return source


def _node_with(ctx: OpContext, name: str) -> Node:
    for uuid, names in stored_on(ctx, ctx.snapshot.nodes.values()).items():
        if not isinstance(names, GanetiError) and name in names:
            return ctx.snapshot.nodes[uuid]
    raise OpPrereqError(f"No export found for relative path {name}; gnt-backup list shows which "
                        "there are", ECODE_INVAL)


def _check_files(ctx: OpContext, source: Source) -> None:
    """:raises OpPrereqError: a file is missing, or is not as large as it was written"""
    wanted = [disk for disk in source.exported.disks if disk.dump]
    sizes = ctx.call(source.node, service_call("export.sizes", {
        "path": source.path, "files": [disk.dump for disk in wanted]})) if wanted else {}
    for disk in wanted:
        where = f"{disk.dump} of the export {source.path} on node {source.node.name}"
        if disk.dump not in sizes:
            raise OpPrereqError(f"The file {where} is missing", ECODE_ENVIRON)
        if disk.bytes is not None and sizes[disk.dump] != disk.bytes:
            raise OpPrereqError(f"The file {where} has {sizes[disk.dump]} bytes, "
                                f"{disk.bytes} were written", ECODE_ENVIRON)


def with_exported(op: InstanceCreate, ctx: OpContext, source: Source) -> InstanceCreate:
    """The opcode with everything that it does not name itself from the export."""
    if op.no_install:
        ctx.info("No-installation mode has no effect during import")
    exported = source.exported
    template = op.disk_template or exported.disk_template
    hypervisor = op.hypervisor or exported.hypervisor
    merged = replace(
        op, disks=list(op.disks) or _disks(ctx, exported, template), disk_template=template,
        nics=_nics(op, exported), tags=list(op.tags) or list(exported.tags),
        hypervisor=hypervisor,
        hvparams=_hvparams(ctx, op, exported, hypervisor) | op.hvparams,
        beparams=_beparams(op, exported), os_type=op.os_type or exported.os or None,
        osparams=given(exported.osparams) | op.osparams,
        osparams_private=given(exported.osparams_private) | (op.osparams_private or {}),
        force_variant=True)
    return _identified(merged, ctx) if op.identify_defaults else merged


def _disks(ctx: OpContext, exported: Exported, template: str | None) -> list[dict[str, Any]]:
    # A device may have had more than its disk, and a copy of it as it was has all of that.
    disks = [{"size": max(disk.size, -(-(disk.bytes or 0) // MIB)), "name": disk.name,
              "mode": disk.mode} for disk in exported.disks]
    if not disks and not (template and ctx.host.has(DISK_TEMPLATES, template)
                          and has_capability(ctx, template, NO_DISKS)):
        raise OpPrereqError("No disk info specified and the export is missing the disk information",
                            ECODE_INVAL)
    return disks


def _nics(op: InstanceCreate, exported: Exported) -> list[Any]:
    """Those that were asked for, else the exported ones; ``auto`` is the old address."""
    if not op.nics:
        return [_nic(nic) for nic in exported.nics]
    same = host_name(op.instance_name) == exported.name
    return [
        {**nic, "mac": exported.nics[at]["mac"]}
        if same and isinstance(nic, dict) and nic.get("mac") == "auto" and at < len(exported.nics)
        else nic for at, nic in enumerate(op.nics)]


def _nic(nic: Mapping[str, str | None]) -> dict[str, Any]:
    # On a network a card inherits how it is connected.
    inherited = ("mode", "link", "vlan") if nic["network"] else ()
    return {name: value for name, value in nic.items()
            if value is not None and name not in inherited}


def _hvparams(
    ctx: OpContext, op: InstanceCreate, exported: Exported, hypervisor: str | None
) -> dict[str, Any]:
    if hypervisor != exported.hypervisor:
        ctx.info(f"The hypervisor parameters of the export are those of {exported.hypervisor}: "
                 "they are not used")
        return {}
    if not hypervisor or not ctx.host.has(HYPERVISORS, hypervisor):
        return {}
    schema = ctx.host.describe(HYPERVISORS, hypervisor).parameters.get("properties", {})
    return {name: _typed(schema.get(name, {}), name, value)
            for name, value in given(exported.hvparams).items() if name not in op.hvparams}


def _typed(schema: Mapping[str, Any], name: str, value: str) -> Any:
    """A value of the export, which is a text, as the hypervisor's schema wants it."""
    kinds = schema.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    try:
        if "boolean" in kinds:
            return value.lower() in _TRUE
        if "integer" in kinds:
            return int(value)
        if "number" in kinds:
            return float(value)
        if "array" in kinds or "object" in kinds:
            return json.loads(value)
    except (ValueError, RecursionError):
        if "string" not in kinds:
            raise OpPrereqError(f"The export has {value[:100]!r} for the hypervisor parameter "
                                f"'{name}'", ECODE_ENVIRON) from None
    return value


def _beparams(op: InstanceCreate, exported: Exported) -> dict[str, Any]:
    found = given(exported.beparams)
    if "maxmem" in found or "minmem" in found or "memory" in op.beparams:
        found.pop("memory", None)
    if "memory" in op.beparams:
        found = {name: value for name, value in found.items() if name not in ("maxmem", "minmem")}
    return {**found, **op.beparams}


def _identified(op: InstanceCreate, ctx: OpContext) -> InstanceCreate:
    """The opcode without what the cluster would say anyway."""
    cluster = ctx.snapshot.cluster
    bare = Instance(uuid="", name="", primary_node="", hypervisor=op.hypervisor or "",
                    os=op.os_type or "")
    known = bool(op.hypervisor) and ctx.host.has(HYPERVISORS, op.hypervisor or "")
    hypervisor = filled_hvparams(
        ctx.host.defaults(HYPERVISORS, bare.hypervisor) if known else {}, cluster, bare)
    nic = filled_nicparams(cluster, Nic(uuid="", mac=""))
    return replace(
        op, hvparams=_own(op.hvparams, hypervisor),
        beparams=_own(fill(op.beparams, checked_beparams(op.beparams)),
                      filled_beparams(cluster, bare)),
        osparams=_own(op.osparams, filled_osparams(cluster, bare)),
        osparams_private=_own(op.osparams_private or {},
                              filled_osparams(cluster, bare, private=True)),
        nics=[_own(one, nic) if isinstance(one, dict) else one for one in op.nics])


def _own(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items()
            if name not in defaults or defaults[name] != value}


def bring_in(
    op: InstanceCreate, ctx: OpContext, source: Source, spec: InstanceSpec, primary: Node
) -> list[Owed]:
    """Fill the open disks of `spec`, then let its OS definition rename it.

    :returns: what is to be done after the commit
    :raises GanetiError: a disk could not be filled
    """
    system, _, variant = spec.os.partition("+")
    ctx.feedback("* running the instance OS import scripts...")
    ends: list[Owed] = []
    variables = given(source.exported.variables)
    for disk in spec.disks:
        what, file = f"disk/{disk.index}", source.dump(disk.index)
        if not file:
            ctx.warn(f"The export has no data for {what}: it stays empty")
            continue
        ctx.feedback(f"Exporting {what} from {source.node.name} to {primary.name}")
        end = export_call("end", spec.uuid, giver=spec.uuid)
        note = f"end the stream of {what} of {spec.name}"
        offered = ctx.act(source.node, export_call(
            "give", spec.uuid, path=source.path, file=file, giver=spec.uuid,
            compression=op.compress), end, note)
        offer = codec.decode(Offer, offered["offer"])
        if system:
            ctx.hook(primary, OS_DEFINITIONS, system, "import_disk", subject=spec.uuid,
                     instance=spec, variant=variant, stream=DiskStream(disk, offer, variables))
        else:
            ctx.hook(primary, DISK_TEMPLATES, disk.template, "receive_data", subject=spec.uuid,
                     disk=disk, offer=offer)
        ctx.feedback(f"{what} finished receiving data")
        ends = [(source.node, end, note)]
    if system:
        _rename(ctx, source, spec, primary)
    # Recorded for its undo: without the parameters that may be secret.
    give_state(ctx, replace(spec, osparams={}, secret_osparams=()), primary,
               source.exported.state)
    return ends


def _rename(ctx: OpContext, source: Source, spec: InstanceSpec, primary: Node) -> None:
    ctx.feedback(f"Running rename script for {spec.name}")
    system, _, variant = spec.os.partition("+")
    old = source.exported.name
    try:
        ctx.hook(primary, OS_DEFINITIONS, system, "rename", subject=spec.uuid, instance=spec,
                 variant=variant, old_name=old)
    except NotSupported as exc:
        if old != spec.name:
            ctx.warn(f"The system still calls itself {old}: {exc.message}")
    except GanetiError as exc:
        ctx.warn(f"Failed to run rename script for {spec.name} on node {primary.name}: "
                 f"{exc.message}")
