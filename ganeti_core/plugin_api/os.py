"""The contract of OS definitions: put an operating system on an instance's disks."""

from __future__ import annotations

from .context import HookContext
from .data import Description, InstanceSpec, OsInfo
from .kinds import Kind, hookspec, where


class OsSpec:
    """What the core may ask of an OS definition; it runs where the instance's disks are open.

    Errors are `OsScriptError`, whose message ends with the tail of the run's log.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the OS; its parameters (`osparams`) are strings."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def info(self, ctx: HookContext) -> OsInfo:
        """Tell variants, parameters and whether this node can use it (`OsInfo.problem`)."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def validate(self, ctx: HookContext, variant: str, params: dict[str, str]) -> None:
        """Check variant and parameters.

        :raises OpPrereqError: they cannot be used
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=3600.0)
    def create(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool
    ) -> None:
        """Install on the instance's open disks; with `reinstall` they hold an earlier system."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=600.0)
    def rename(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, old_name: str
    ) -> None:
        """Tell the installed system its new name."""
        raise NotImplementedError


OS_DEFINITIONS = Kind("os", OsSpec, optional=frozenset({"rename"}))
