"""The copy of the master's database on this node, and what it noted of other copies."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.replica import Group, Position
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.node.services.arguments import decode
from ganeti_core.rpc.atomic import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths


def position(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer ``position`` ([epoch, serial] of the copy), ``epoch`` and ``stale`` (uuids noted)."""
    return {"position": state.replica.position().to_list(), "epoch": state.epochs.highest(),
            "stale": sorted(noted(state.world.place.paths)),
            "uuid": state.world.place.identity.uuid}


def append(state: NodeState, args: dict[str, Any], _deadline: float) -> bool:
    """Make a group of writes durable; False when it does not follow what is here."""
    try:
        group = Group.from_dict(args)
    except ValueError as exc:
        raise OpPrereqError(str(exc), ECODE_INVAL) from exc
    _admit(state, group.position)
    return state.replica.append(group)


@dataclass(frozen=True)
class CopyArgs:
    """Of ``replica.copy``: a piece of a whole copy; the last brings the authority's key along."""

    offset: int
    chunk: str
    last: bool
    epoch: int
    ca_key: str = ""


def copy(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Take a piece of a whole copy."""
    wanted = decode(CopyArgs, args)
    _admit(state, Position(wanted.epoch, 0))
    state.replica.receive(wanted.offset, wanted.chunk, last=wanted.last)
    if wanted.last and wanted.ca_key:
        write_private(state.world.place.paths.ca_key, wanted.ca_key.encode())


@dataclass(frozen=True)
class MarkArgs:
    """Of ``replica.mark``: the candidates whose copies are old."""

    epoch: int
    stale: list[str] = field(default_factory=list)


def mark(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Note durably which candidates must not win a vote."""
    wanted = decode(MarkArgs, args)
    _admit(state, Position(wanted.epoch, 0))
    write_private(_file(state.world.place.paths), json.dumps(sorted(wanted.stale)).encode())


def promise(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Obey no master older than `epoch` from now on; a candidate asks before it becomes master.

    Answers as `position`.
    """
    wanted = decode(MarkArgs, args)
    if wanted.epoch <= state.epochs.highest():
        raise OpPrereqError(
            f"this node has promised epoch {state.epochs.highest()} already", ECODE_STATE)
    state.epochs.admit(wanted.epoch)
    return position(state, {}, _deadline)


def _admit(state: NodeState, where: Position) -> None:
    """:raises StaleEpoch: a newer master was here
    :raises OpPrereqError: this very node runs a master, whose file this is
    """
    state.epochs.admit(where.epoch)
    if master_runs_here(state.world.place.paths):
        raise OpPrereqError("a master daemon runs on this node", ECODE_STATE)


def master_runs_here(paths: Paths) -> bool:
    """Whether a master daemon of this node holds its pid file."""
    try:
        with paths.daemon_pid("ganeti-masterd").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _file(paths: Paths) -> Path:
    return paths.data / "stale-candidates.json"


def noted(paths: Paths) -> frozenset[str]:
    """The candidates that this node has noted as stale."""
    try:
        return frozenset(map(str, json.loads(_file(paths).read_text())))
    except FileNotFoundError:
        return frozenset()


def stop_master(state: NodeState, _args: dict[str, Any], _deadline: float) -> bool:
    """End the master daemon of this node; whether one ran."""
    paths = state.world.place.paths
    if not master_runs_here(paths):
        return False
    os.kill(int(paths.daemon_pid("ganeti-masterd").read_text()), signal.SIGTERM)
    return True
