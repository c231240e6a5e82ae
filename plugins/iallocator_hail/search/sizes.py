"""Sizes of new instances, and how they shrink by one step of a resource."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..model.changes import Failure
from ..records import Disk, Instance, Spec

_UNIT_MEMORY = 64
_UNIT_DISK = 256


def new_instance(spec: Spec, template: str, like: str, spindle_use: int) -> Instance:
    """An instance of a size, with one disk."""
    return Instance(
        name="new",
        memory=spec.memory,
        disk=spec.disk_size,
        vcpus=spec.cpus,
        template=template,
        like=like,
        disks=(Disk(spec.disk_size, spec.spindles),),
        spindle_use=spindle_use,
    )


def shrink(instance: Instance, kind: Failure) -> Instance | None:
    """The next smaller instance with regard to a resource, None if there is none."""
    if kind is Failure.MEM:
        memory = instance.memory - _UNIT_MEMORY
        return replace(instance, memory=memory) if memory >= _UNIT_MEMORY else None
    if kind is Failure.DISK:
        disks = tuple(replace(disk, size=disk.size - _UNIT_DISK) for disk in instance.disks)
        if any(disk.size < _UNIT_DISK for disk in disks):
            return None
        return replace(instance, disks=disks, disk=instance.disk - _UNIT_DISK * len(disks))
    if kind is Failure.CPU:
        return replace(instance, vcpus=instance.vcpus - 1) if instance.vcpus > 1 else None
    if kind is Failure.SPINDLES:
        return _fewer_spindles(instance)
    return None


def _fewer_spindles(instance: Instance) -> Instance | None:
    if len(instance.disks) != 1 or instance.disks[0].spindles is None:
        return None
    left = instance.disks[0].spindles - 1
    if left < 1:
        return None
    return replace(instance, disks=(replace(instance.disks[0], spindles=left),))


def sizes_down(instance: Instance, kind: Failure) -> Iterator[Instance]:
    """The instance and smaller ones, but not the smallest."""
    smaller = shrink(instance, kind)
    while smaller is not None:
        yield instance
        instance, smaller = smaller, shrink(smaller, kind)
