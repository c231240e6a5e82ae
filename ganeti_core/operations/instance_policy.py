"""Whether a change brings an instance out of what its node group allows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams, filled_ipolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Instance, Node, NodeGroup
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


def problems_in(ctx: OpContext, instance: Instance, shape: Shape, group: NodeGroup) -> list[str]:
    """Why an instance of this shape does not keep a group's policy; empty when it does."""
    return policy_problems(
        filled_ipolicy(ctx.current.cluster, group), shape.beparams, instance.disk_template,
        (list(shape.disks), shape.nics))


def check_policy_change(ctx: OpContext, instance: Instance, after: Shape) -> None:
    """Refuse a change that leaves the policy; an instance that was outside before may stay so.

    :raises OpPrereqError: it lies inside now, and would not (`ECODE_INVAL`)
    """
    group = ctx.snapshot.groups[ctx.snapshot.nodes[instance.primary_node].group]
    problems = problems_in(ctx, instance, after, group)
    if not problems:
        return
    text = (f"Instance allocation to group {group.uuid} ({group.name}) violates policy: "
            f"{', '.join(problems)}")
    if not problems_in(ctx, instance, shape_of(ctx, instance), group):
        raise OpPrereqError(text, ECODE_INVAL)
    ctx.warn(text)


def check_move_policy(ctx: OpContext, instance: Instance, target: Node, *, ignore: bool) -> None:
    """Refuse a move to a group whose policy the instance does not keep, unless `ignore`.

    One that does not keep its own group's policy may move all the same.

    :raises OpPrereqError: it would keep the policy no more (`ECODE_INVAL`)
    """
    groups, nodes = ctx.current.groups, ctx.current.nodes
    shape = shape_of(ctx, instance)
    there = groups[target.group]
    problems = problems_in(ctx, instance, shape, there)
    if not problems:
        return
    text = (f"Instance {instance.name} does not meet target node group's ({there.name}) instance "
            f"policy: {', '.join(problems)}")
    if not ignore and not problems_in(
            ctx, instance, shape, groups[nodes[instance.primary_node].group]):
        raise OpPrereqError(text, ECODE_INVAL)
    ctx.warn(text)


def with_disk_size(shape: Shape, index: int, size: int) -> Shape:
    """The shape with another size of one disk."""
    return replace(shape, disks=(*shape.disks[:index], size, *shape.disks[index + 1:]))


def check_policy(
    group: NodeGroup, policy: Mapping[str, Any], beparams: Mapping[str, Any], template: str,
    counts: tuple[Sequence[int], int],
) -> None:
    """Check an instance against the limits of its node group.

    :param counts: the sizes of its disks, and the number of its network cards
    :raises OpPrereqError: it lies outside every allowed range (`ECODE_INVAL`)
    """
    problems = policy_problems(policy, beparams, template, counts)
    if problems:
        raise OpPrereqError(f"Instance allocation to group {group.uuid} ({group.name}) violates "
                            f"policy: {', '.join(problems)}", ECODE_INVAL)


def policy_problems(
    policy: Mapping[str, Any], beparams: Mapping[str, Any], template: str,
    counts: tuple[Sequence[int], int],
) -> list[str]:
    """Why an instance does not keep a filled policy; empty when it does. See `check_policy`."""
    sizes, cards = counts
    allowed = policy["disk-templates"]
    wrong = [] if template in allowed else [
        f"Disk template {template} is not allowed (allowed templates: {', '.join(allowed)})"]
    memory = dict.fromkeys((beparams["minmem"], beparams["maxmem"]))
    have = [*(("memory-size", size) for size in memory), ("cpu-count", beparams["vcpus"]),
            ("nic-count", cards), ("spindle-use", beparams["spindle_use"]),
            *((f"disk-size/{index}", size) for index, size in enumerate(sizes))]
    if sizes:
        have.append(("disk-count", len(sizes)))
    # Where it fits into no range, the nearest one says what to change.
    return wrong + min((_outside(have, limits) for limits in policy.get("minmax") or []),
                       key=len, default=[])


def _outside(have: Sequence[tuple[str, int]], limits: Mapping[str, Any]) -> list[str]:
    low, high = limits["min"], limits["max"]
    problems = []
    for what, value in have:
        name = what.partition("/")[0]
        if name in low and not low[name] <= value <= high[name]:
            problems.append(f"{what} value {value} is not in range [{low[name]}, {high[name]}]")
    return problems
