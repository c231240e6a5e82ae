"""The contract of ExtStorage providers: volumes of a storage system outside the cluster."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ganeti_core.lazy_dataclass import dataclass

from .context import HookContext
from .data import Description
from .kinds import Kind, hookspec, where


@dataclass(frozen=True)
class VolumeSpec:
    """A volume of a storage system.

    :param name: unique in the storage system
    :param size: MiB
    :param params: its options
    :param disk_name: what people call the disk; empty where it has no name
    """

    uuid: str
    name: str
    size: int
    instance: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    disk_name: str = ""


@dataclass(frozen=True)
class Attachment:
    """An attached volume.

    :param device: its block device; empty if only hypervisors reach it, by a URI
    :param uris: addresses that hypervisors open themselves, by the hypervisor's name
    """

    device: str = ""
    uris: dict[str, str] = field(default_factory=dict)


class ExtStorageSpec:
    """What the core may ask of a provider; every hook runs on a node that uses the volume.

    Any node of the cluster can attach a volume. Errors are `BlockDeviceError`.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the provider and its volume parameters; ``snapshots``, ``open_close``."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verify(self, ctx: HookContext, params: dict[str, Any]) -> None:
        """Check volume parameters, before the volume is made.

        :raises OpPrereqError: they cannot work
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def create(self, ctx: HookContext, volume: VolumeSpec) -> None:
        """Make the volume; one of this name and uuid is left as it is."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def remove(self, ctx: HookContext, volume: VolumeSpec) -> None:
        """Remove it and its data; a missing one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def attach(self, ctx: HookContext, volume: VolumeSpec) -> Attachment:
        """Map it to this node; an attached one answers the same again."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def detach(self, ctx: HookContext, volume: VolumeSpec) -> None:
        """Unmap it from this node; a detached one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def grow(self, ctx: HookContext, volume: VolumeSpec, size: int) -> None:
        """Make it `size` MiB large."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True)
    def set_info(self, ctx: HookContext, volume: VolumeSpec, text: str) -> None:
        """Note `text` beside the volume, for people who look at the storage system."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def snapshot(self, ctx: HookContext, volume: VolumeSpec, name: str) -> None:
        """Make a copy named `name` at this moment."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True)
    def open(self, ctx: HookContext, volume: VolumeSpec, exclusive: bool) -> None:
        """Tell that an instance begins to use it here."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True)
    def close(self, ctx: HookContext, volume: VolumeSpec) -> None:
        """Tell that no instance uses it here any more."""
        raise NotImplementedError


EXTSTORAGE = Kind(
    "extstorage", ExtStorageSpec, optional=frozenset({"snapshot", "open", "close", "set_info"}),
    capabilities=frozenset({"snapshots", "open_close"}),
)
