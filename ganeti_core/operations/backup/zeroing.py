"""Overwrite what is free on an instance's disks before they are exported, by a helper guest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.operations.instance.helper_guest import STARTUP, Helper, check_helper, run_helper

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.backup import BackupExport
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec

PER_MIB = 0.05
"""Seconds for each MiB of the disks: as many as a slow disk takes to write them all."""


def check_zeroing(op: BackupExport, ctx: OpContext, instance: Instance, node: Node) -> None:
    """:raises OpPrereqError: it is asked for, and cannot be done (`ECODE_INVAL`)"""
    limits = {"zeroing_timeout_fixed": op.zeroing_timeout_fixed,
              "zeroing_timeout_per_mib": op.zeroing_timeout_per_mib}
    if not op.zero_free_space:
        if any(value is not None for value in limits.values()):
            raise OpPrereqError("Zeroing timeout options can only be used together with the "
                                "--zero-free-space option", ECODE_INVAL)
        return
    for name, value in limits.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise OpPrereqError(f"{name} is {value}: it must be a number of seconds, 0 at least",
                                ECODE_INVAL)
    if not op.shutdown:
        raise OpPrereqError("Unless the instance is shut down, zeroing cannot be used.",
                            ECODE_INVAL)
    if not ctx.snapshot.cluster.zeroing_image:
        raise OpPrereqError("A zeroing image must be set for zeroing to work; gnt-cluster modify "
                            "--zeroing-image sets it", ECODE_INVAL)
    if not instance.disks:
        raise OpPrereqError(f"Instance {instance.name} has no disks on which anything is free",
                            ECODE_INVAL)
    check_helper(ctx, instance, node, ctx.snapshot.cluster.zeroing_image)


def zero_free_space(
    op: BackupExport, ctx: OpContext, instance: Instance, node: Node, spec: InstanceSpec
) -> None:
    """Do so, where it is asked for; the instance's own guest does not run.

    :raises GanetiError: the helper guest failed
    """
    if not op.zero_free_space:
        return
    fixed = STARTUP if op.zeroing_timeout_fixed is None else float(op.zeroing_timeout_fixed)
    per_mib = PER_MIB if op.zeroing_timeout_per_mib is None else op.zeroing_timeout_per_mib
    limit = fixed + per_mib * sum(disk.size for disk in spec.disks)
    run_helper(ctx, Helper(ctx.current.cluster.zeroing_image, "Zeroing free disk space", limit),
               instance, node, spec)
