"""Services around the exports that a node stores; the streams themselves are hooks' affair."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.exports import Exports, mark_of
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.stream_frames import codec as check_compression
from ganeti_core.plugin_api.transfer import (
    Limits,
    begin_giver,
    begin_receiver,
    end_giver,
    end_receiver,
)

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.plugin_api import HookContext

PATIENT = Limits(offered=600.0)


def _exports(state: NodeState) -> Exports:
    return Exports(state.world.local.paths.root)


def _context(state: NodeState) -> HookContext:
    return state.world.context("exports", "streams", {})


def exports(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"exports": [name, ...]}``."""
    return {"exports": _exports(state).names()}


@dataclass(frozen=True)
class PathArgs:
    """Of ``export.config``."""

    path: str


def config(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"config": text}`` of an export."""
    return {"config": _exports(state).config(decode(PathArgs, args).path)}


@dataclass(frozen=True)
class NameArgs:
    """Of ``export.abort`` and ``export.remove``."""

    name: str


@dataclass(frozen=True)
class BeginArgs:
    """Of ``export.begin``: the instance's name, and how its streams are compressed."""

    name: str
    compression: str


def begin(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Make room for a new export; the older one stays until `finish`."""
    asked = decode(BeginArgs, args)
    check_compression(asked.compression)
    end_receiver(_context(state), mark_of(asked.name))
    _exports(state).begin(asked.name)


@dataclass(frozen=True)
class ReceiveArgs:
    """Of ``export.receive``: a file of the export that is being made."""

    name: str
    file: str
    compression: str


def receive(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"offer": ...}`` to take one disk."""
    asked = decode(ReceiveArgs, args)
    path = _exports(state).draft(asked.name) / PurePosixPath(asked.file).name
    path.unlink(missing_ok=True)
    return {"offer": codec.encode(begin_receiver(
        _context(state), mark_of(asked.name), path, compression=asked.compression,
        limits=PATIENT))}


@dataclass(frozen=True)
class FinishArgs:
    """Of ``export.finish``: the bytes of each file, and the text of ``config.ini``."""

    name: str
    sizes: dict[str, int]
    config: str


def finish(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Let the export take the place of the older one."""
    asked = decode(FinishArgs, args)
    end_receiver(_context(state), mark_of(asked.name))
    _exports(state).finish(asked.name, asked.sizes, asked.config)


def abort(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Give up the export that is being made."""
    name = decode(NameArgs, args).name
    end_receiver(_context(state), mark_of(name))
    _exports(state).forget(name)


def remove(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Remove an export."""
    _exports(state).remove(decode(NameArgs, args).name)


@dataclass(frozen=True)
class GiveArgs:
    """Of ``export.give``: a file of an export; `giver` names the end of the stream."""

    path: str
    file: str
    giver: str
    compression: str


def give(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"offer": ...}`` to give one disk."""
    asked = decode(GiveArgs, args)
    file = _exports(state).file(asked.path, asked.file)
    return {"offer": codec.encode(begin_giver(
        _context(state), asked.giver, file, compression=asked.compression, limits=PATIENT))}


@dataclass(frozen=True)
class GiverArgs:
    """Of ``export.end``."""

    giver: str


def end(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """End what `give` has begun, and forget it."""
    end_giver(_context(state), decode(GiverArgs, args).giver)


@dataclass(frozen=True)
class SizeArgs:
    """Of ``export.sizes``: files of an export."""

    path: str
    files: tuple[str, ...]


def sizes(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, int]:
    """Return the bytes of each file; a missing one is left out."""
    asked = decode(SizeArgs, args)
    found = {}
    for name in asked.files:
        try:
            found[name] = _exports(state).file(asked.path, name).stat().st_size
        except GanetiError:
            continue
    return found
