"""Whether a change brings an instance out of what its node group allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpPrereqError
from ganeti_core.model.params import filled_beparams, filled_ipolicy
from ganeti_core.operations.instance.hardware import check_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.model import Instance
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class Shape:
    """What a policy looks at: filled back-end parameters, sizes of disks (MiB), network cards."""

    beparams: Mapping[str, Any]
    disks: tuple[int, ...]
    nics: int


def shape_of(ctx: OpContext, instance: Instance) -> Shape:
    """The shape of an instance of the configuration."""
    disks = tuple(disk.size for disk in ctx.snapshot.disks_of(instance))
    return Shape(filled_beparams(ctx.snapshot.cluster, instance), disks, len(instance.nics))


def check_policy_change(ctx: OpContext, instance: Instance, after: Shape) -> None:
    """Refuse a change that leaves the policy; an instance that was outside before may stay so.

    :raises OpPrereqError: it lies inside now, and would not (`ECODE_NORES`)
    """
    group = ctx.snapshot.groups[ctx.snapshot.nodes[instance.primary_node].group]
    policy = filled_ipolicy(ctx.snapshot.cluster, group)

    def check(shape: Shape) -> None:
        check_policy(policy, shape.beparams, instance.disk_template,
                     (list(shape.disks), shape.nics))

    try:
        check(after)
    except OpPrereqError as problem:
        try:
            check(shape_of(ctx, instance))
        except OpPrereqError:
            ctx.warn(str(problem.args[0]))
            return
        raise


def with_disk_size(shape: Shape, index: int, size: int) -> Shape:
    """The shape with another size of one disk."""
    return replace(shape, disks=(*shape.disks[:index], size, *shape.disks[index + 1:]))
