"""A folder for each guest in a hypervisor's state on a node, and what is remembered there.

After any accident a driver finds its guests again by these folders, and with ``runtime.json`` it
knows how each was started, whatever has become of the instance's configuration since. The file is
of the driver's own `state_version`: one of a newer version is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from ganeti_core.errors import HypervisorError
from ganeti_core.lazy_dataclass import dataclass

from .codec import decode, encode
from .data import InstanceSpec

if TYPE_CHECKING:
    from .context import HookContext

MOST_BYTES = 255
"""Of a file's name."""
RUNTIME = "runtime.json"


class Runtime(Protocol):
    """What a driver remembers of a guest from its start on: a frozen dataclass of its own."""

    @property
    def spec(self) -> InstanceSpec: ...


@dataclass(frozen=True)
class Started:
    """What a driver remembers that needs nothing but the instance as it was started."""

    spec: InstanceSpec


class StartedGuest:
    """Base of a guest's folder in which only its start is remembered."""

    folder: Path
    state_version: ClassVar[int]

    def spec(self) -> InstanceSpec | None:
        """Return the instance as it was started; None when there is nothing that can be read."""
        started = recall(self.folder, self.state_version, Started)
        return started.spec if started else None

    def save(self, spec: InstanceSpec) -> None:
        """Write what is to be remembered; after a crash the file holds the old or the new."""
        remember(self.folder, self.state_version, Started(spec))

    def is_unreadable(self) -> bool:
        """Whether something is remembered that this driver cannot read."""
        return is_unreadable(self.folder, self.state_version, Started)


_R = TypeVar("_R", bound=Runtime)


def is_possible(name: str) -> bool:
    """Whether a guest can have this name, which is that of its folder."""
    return not (not name or name.startswith(".") or "/" in name or "\0" in name
                or len(os.fsencode(name)) > MOST_BYTES)


def guest_folder(ctx: HookContext, name: str) -> Path:
    """The folder of the guest of that name, which may not exist.

    :raises HypervisorError: the name cannot be a file's
    """
    if not is_possible(name):
        raise HypervisorError(f"instance name {name!r} cannot be used as a file name")
    return ctx.state / name


def guest_folders(ctx: HookContext) -> Iterator[Path]:
    """Give the folder of every guest that has one here."""
    with suppress(FileNotFoundError):
        yield from (folder for folder in sorted(ctx.state.iterdir()) if folder.is_dir())


def remember(folder: Path, version: int, runtime: Runtime) -> None:
    """Write what is to be remembered; after a crash the file holds the old or the new.

    Parameters of the operating system are left out: there are passwords among them.
    """
    known: Any = runtime  # mypy knows no protocol for "a dataclass with this field"
    known = replace(known, spec=replace(runtime.spec, osparams={}))
    draft = folder / f"{RUNTIME}.new"
    draft.write_text(json.dumps({"version": version, **encode(known)}))
    draft.replace(folder / RUNTIME)


def recall(folder: Path, version: int, kind: type[_R]) -> _R | None:
    """Return what was remembered; None when there is nothing that can be read.

    :param version: the newest that the driver understands
    """
    try:
        document: dict[str, Any] = json.loads((folder / RUNTIME).read_text())
        if document["version"] > version:
            return None
        runtime: _R = decode(kind, document)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return runtime


def is_unreadable(folder: Path, version: int, kind: type[Runtime]) -> bool:
    """Whether something is remembered that this driver cannot read: a guest to be left alone."""
    return (folder / RUNTIME).exists() and recall(folder, version, kind) is None


def rename_logs(ctx: HookContext, name: str, to: str, endings: tuple[str, ...] = ("log",)) -> None:
    """Let the logs of a stopped guest bear another name; one that is not there is no error.

    :param endings: what follows the guest's name and a dot in the files' names
    :raises HypervisorError: one cannot be renamed
    """
    for ending in endings:
        try:
            with suppress(FileNotFoundError):
                (ctx.logs / f"{name}.{ending}").replace(ctx.logs / f"{to}.{ending}")
        except OSError as exc:
            raise HypervisorError(f"the log of {name} cannot be renamed: {exc.strerror}") from exc
