"""The contract of OS definitions: put an operating system on an instance's disks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

from .context import HookContext
from .data import Description, DiskSpec, InstanceSpec, OsInfo
from .kinds import STREAM_SECONDS, Kind, hookspec, where
from .stream_ends import Offer


@dataclass(frozen=True)
class DiskStream:
    """One disk on its way out of an instance, or into one.

    :param disk: the open disk; of an export it may be a snapshot of the instance's own
    :param offer: the other end of the stream, for `transfer.send` or `transfer.receive`
    :param variables: of an import: what `os_variables` returned when the instance was exported
    """

    disk: DiskSpec
    offer: Offer
    variables: dict[str, str] = field(default_factory=dict)


def check_variant(
    system: str, variants: Collection[str], variant: str, force_variant: bool = False
) -> None:
    """Check the variant that a user has chosen, as Ganeti does: the rule for every `validate`.

    An OS with variants needs one named, an OS without has none. With `force_variant` both may be
    otherwise: the OS takes the first that it lists where none is named.

    :raises OpPrereqError: it cannot be used
    """
    if force_variant or variant in (variants or ("",)):
        return
    known = ", ".join(variants)
    if not variants:
        problem = f"OS '{system}' does not support variants ('{variant}' passed)"
    elif not variant:
        problem = f"OS name '{system}' must include a variant; it has: {known}"
    else:
        problem = (f"OS {system} has no variant {variant}; it has: {known}; if it supports one "
                   "that it does not list, use --force-variant")
    raise OpPrereqError(problem, ECODE_INVAL)


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
    def validate(
        self, ctx: HookContext, variant: str, params: dict[str, str], force_variant: bool
    ) -> None:
        """Check variant and parameters; `check_variant` has the rule for variants.

        :param variant: as the user named it; empty where none is named
        :param params: all parameters with their defaults, private and secret ones included
        :param force_variant: the user knows that the definition supports the variant, though it
            does not list it
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
    def package(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool, path: str
    ) -> None:
        """Write what a helper guest needs to install on the instance's disks into the file `path`.

        For an OS that is not trusted (`OsInfo.trusted`): `create` is never called then. The guest
        boots the cluster's install image, from its first disk, has the instance's disks behind it
        and this file as its last one, read-only, and shuts down when it has installed. The file
        may hold secret parameters; it is there, empty, for root alone, and removed afterwards.

        :raises OsScriptError: it cannot be made
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=600.0)
    def rename(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, old_name: str
    ) -> None:
        """Return the installed system its new name."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def os_variables(
        self, ctx: HookContext, instance: InstanceSpec, variant: str
    ) -> dict[str, str]:
        """Return what must be known beside the streams to import the instance's disks.

        The disks are open. It is kept in the export, for everybody to read, and comes back as
        `DiskStream.variables`. Names are those of variables of an environment. Nothing is kept
        for an OS without this hook.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def export_disk(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, stream: DiskStream
    ) -> int:
        """Send a disk to `stream.offer` with `transfer.send`; return what that returns.

        The stream is whatever `import_disk` makes the disk of again. Nobody writes to the disk
        meanwhile, or it is a snapshot. The disk of an OS without this hook is sent as it is.

        :raises OsScriptError: the disk cannot be read; then nothing of the stream is kept
        :raises StreamFailed: it did not arrive
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def import_disk(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, stream: DiskStream
    ) -> int:
        """Make the new disk what a stream says, with `transfer.receive`; return what that returns.

        The disk may be larger than the exported one. `rename` follows when all disks are there.

        :raises OsScriptError: the disk cannot be made from it
        :raises StreamFailed: it did not arrive whole
        """
        raise NotImplementedError


def _no_variables() -> dict[str, str]:
    return {}


def _export_as_it_is(ctx: HookContext, stream: DiskStream) -> int:
    count: int = ctx.driver("disk_templates", stream.disk.template, "send_data",
                            disk=stream.disk, offer=stream.offer)
    return count


def _import_as_it_is(ctx: HookContext, stream: DiskStream) -> int:
    count: int = ctx.driver("disk_templates", stream.disk.template, "receive_data",
                            disk=stream.disk, offer=stream.offer)
    return count


OS_DEFINITIONS = Kind(
    "os", OsSpec, optional=frozenset({"package", "rename", "os_variables", "export_disk",
                                     "import_disk"}),
    defaults=(("os_variables", _no_variables), ("export_disk", _export_as_it_is),
              ("import_disk", _import_as_it_is)))
