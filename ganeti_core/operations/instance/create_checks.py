"""What a new instance is asked to be, checked before any node is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.opcodes.unavailable import MARK
from ganeti_core.operations.disks import check_options
from ganeti_core.operations.host_names import new_instance_name
from ganeti_core.operations.instance.hardware import options_beside
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest

_OF_IMPORTS = {"src_node": None, "src_path": None, "identify_defaults": False, "compress": "none"}


def check_built(op: InstanceCreate) -> None:
    if op.forthcoming and op.commit:
        raise OpPrereqError("Forthcoming generation and commiting are mutually exclusive",
                            ECODE_INVAL)
    if op.forthcoming and op.mode != "create":
        raise OpPrereqError("forthcoming instances can only be created, not imported", ECODE_INVAL)
    if op.opportunistic_locking and op.pnode:
        raise OpPrereqError("Opportunistic locking is only available in combination with an"
                            " instance allocator", ECODE_INVAL)
    if op.mode == "import":
        return
    if op.mode != "create":
        raise OpPrereqError(f"Instance creation mode '{op.mode}' is {MARK}",
                            ECODE_INVAL)
    for name, default in _OF_IMPORTS.items():
        if getattr(op, name) not in (None, default):
            raise OpPrereqError(f"The parameter '{name}' is for the mode 'import' only",
                                ECODE_INVAL)
    if not op.os_type and not op.no_install:
        raise OpPrereqError("No guest OS or OS image specified", ECODE_INVAL)


def check_allowed(op: InstanceCreate, ctx: OpContext) -> None:
    """:raises OpPrereqError: the OS definition, or this variant of it, is blacklisted"""
    system = op.os_type or ""
    if op.mode == "import":
        return  # it is not installed anew
    if {system, system.partition("+")[0]} & set(ctx.snapshot.cluster.blacklisted_os):
        raise OpPrereqError(f"Guest OS '{system}' is not allowed for installation", ECODE_STATE)


def check_name(op: InstanceCreate, ctx: OpContext, reserved: Instance | None) -> str:
    if op.ip_check and not op.name_check:
        raise OpPrereqError("Cannot do IP address check without a name check", ECODE_INVAL)
    current = reserved.name if reserved else ""
    return new_instance_name(ctx, current or op.instance_name, name_check=op.name_check,
                             ip_check=op.ip_check, current=current)


def with_file_options(
    op: InstanceCreate, ctx: OpContext, template: str, requests: Sequence[DiskRequest]
) -> list[DiskRequest]:
    """The requests with the options that Ganeti keeps beside them, though they are the disks'."""
    options = options_beside(op)
    check_options(ctx, template, options)
    return [replace(asked, options={**asked.options, **options}) for asked in requests]


def checked_hypervisor(op: InstanceCreate, ctx: OpContext) -> str:
    enabled = ctx.snapshot.cluster.enabled_hypervisors
    name = op.hypervisor or enabled[0]
    if name not in enabled:
        raise OpPrereqError(f"Selected hypervisor ({name}) not enabled in the cluster "
                            f"({','.join(enabled)})", ECODE_STATE)
    return name


def check_hvparams(ctx: OpContext, hypervisor: str, given: dict[str, Any]) -> None:
    schema = ctx.host.describe(HYPERVISORS, hypervisor).parameters.get("properties", {})
    for key in given:
        if schema.get(key, {}).get("x-global"):
            raise OpPrereqError(f"The following hypervisor parameters are global and cannot be "
                                f"customized at instance level: {key}", ECODE_INVAL)
    ctx.host.check_parameters(HYPERVISORS, hypervisor, given)
