"""Whether an instance is of a size and kind that a group's policy allows."""

from __future__ import annotations

from ..model.changes import Failure
from ..records import Instance, Policy, Spec


def violation(instance: Instance, policy: Policy, exclusive: bool) -> Failure | None:
    """What a policy objects to, None if nothing.

    The instance has to lie within one of the policy's ranges; the objection told is the first
    range's.
    """
    result: Failure | None = Failure.INTERNAL
    for low, high in reversed(policy.pairs):
        result = _outside(instance, low, high, exclusive)
        if result is None:
            break
    if result is not None and policy.pairs:
        return result
    kept = policy.doubtful and instance.primary >= 0
    return None if kept or instance.template in policy.templates else Failure.DISK


def _outside(instance: Instance, low: Spec, high: Spec, exclusive: bool) -> Failure | None:
    return _beyond(instance, low, exclusive, -1) or _beyond(instance, high, exclusive, 1)


def _beyond(instance: Instance, spec: Spec, exclusive: bool, sign: int) -> Failure | None:
    """What is below (sign -1) or above (1) a size."""
    if sign * instance.memory > sign * spec.memory:
        return Failure.MEM
    if any(sign * disk.size > sign * spec.disk_size for disk in instance.disks):
        return Failure.DISK
    if sign * instance.vcpus > sign * spec.cpus:
        return Failure.CPU
    spindles = instance.total_spindles if exclusive else instance.spindle_use
    if spindles is None or sign * spindles > sign * spec.spindles:
        return Failure.SPINDLES
    if instance.kind != "diskless" and sign * len(instance.disks) > sign * spec.disk_count:
        return Failure.DISK_COUNT
    return None
