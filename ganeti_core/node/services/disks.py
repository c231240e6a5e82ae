"""Services around the copying of disks from node to node; the taking end is a hook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.transfer import Limits, begin_giver, end_giver

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.plugin_api import HookContext

PATIENT = Limits(offered=600.0)


def _context(state: NodeState) -> HookContext:
    return state.world.context("disks", "streams", {})


@dataclass(frozen=True)
class GiveArgs:
    """Of ``disk.give``: an open disk's path; `giver` names the end of the stream.

    :param size: bytes of the disk; its device may have more, and all are given
    """

    path: str
    size: int
    giver: str
    compression: str


def give(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"offer": ...}`` to give the data of one open disk."""
    asked = decode(GiveArgs, args)
    return {"offer": codec.encode(begin_giver(
        _context(state), asked.giver, Path(asked.path), compression=asked.compression,
        limits=PATIENT, size=asked.size))}


@dataclass(frozen=True)
class GiverArgs:
    """Of ``disk.end``."""

    giver: str


def end(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """End what `give` has begun, and forget it."""
    end_giver(_context(state), decode(GiverArgs, args).giver)
