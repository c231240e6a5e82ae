"""The copy of the master's database on this node, and what it noted of other copies."""

from __future__ import annotations

import json
import logging
import os
import signal
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.replica import Group
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.pid_file import is_held, running_pid
from ganeti_core.rpc.atomic import exclusive, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

MASTERD = "ganeti-masterd"


def position(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return how far the copy is.

    Answers ``position`` ([epoch, serial]), ``previous`` (the serial before it), ``epoch`` (the
    highest seen), ``mark`` ([epoch, number] of the newest mark noted), ``stale`` (its uuids) and
    ``uuid``.
    """
    known = noted(state.world.local.paths)
    return {"position": state.replica.position().to_list(),
            "previous": state.replica.previous(), "epoch": state.epochs.highest(),
            "mark": [known.epoch, known.number], "stale": sorted(known.stale),
            "uuid": state.world.local.identity.uuid}


def append(state: NodeState, args: dict[str, Any], _deadline: float) -> bool:
    """Make a group of writes durable; False when it does not follow what is here."""
    try:
        group = Group.from_dict(args)
    except ValueError as exc:
        raise OpPrereqError(str(exc), ECODE_INVAL) from exc
    with _admitted(state, group.position.epoch):
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
    with _admitted(state, wanted.epoch):
        if wanted.last and wanted.ca_key:
            # First: who has a copy can become master, and needs the key for that.
            write_private(state.world.local.paths.ca_key, wanted.ca_key.encode())
        state.replica.receive(wanted.offset, wanted.chunk, last=wanted.last)


@dataclass(frozen=True)
class MarkArgs:
    """Of ``replica.mark``: the nodes whose copies are old; see `config.marks`."""

    epoch: int
    number: int
    stale: list[str] = field(default_factory=list)


def mark(state: NodeState, args: dict[str, Any], _deadline: float) -> bool:
    """Note durably which candidates must not win a vote; False when a newer mark is noted."""
    wanted = decode(MarkArgs, args)
    with _admitted(state, wanted.epoch):
        return note(state.world.local.paths, wanted)


@dataclass(frozen=True)
class PromiseArgs:
    """Of ``replica.promise``."""

    epoch: int


def promise(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Obey no master older than `epoch` from now on; a candidate asks before it becomes master.

    Answers as `position`: nothing that the old master sends can change it any more.
    """
    wanted = decode(PromiseArgs, args)
    with state.copying:
        if wanted.epoch <= state.epochs.highest():
            raise OpPrereqError(
                f"this node has promised epoch {state.epochs.highest()} already", ECODE_STATE)
        state.epochs.admit(wanted.epoch)
        return position(state, {}, 0.0)


@contextmanager
def _admitted(state: NodeState, epoch: int) -> Iterator[None]:
    """Change the copy for a master of `epoch`; no promise to another is made meanwhile.

    :raises StaleEpoch: a newer master was here
    :raises OpPrereqError: this very node runs a master, whose file this is
    """
    with state.copying:
        state.epochs.admit(epoch)
        if master_runs_here(state.world.local.paths):
            raise OpPrereqError("a master daemon runs on this node", ECODE_STATE)
        yield


def master_runs_here(paths: Paths) -> bool:
    """Whether a master daemon of this node holds its pid file."""
    return is_held(paths.daemon_pid(MASTERD))


def marks_file(paths: Paths) -> Path:
    """Where the newest mark is noted."""
    return paths.data / "stale-candidates.json"


def noted(paths: Paths) -> MarkArgs:
    """The newest mark that this node has noted."""
    try:
        known = json.loads(marks_file(paths).read_text())
        return MarkArgs(int(known["epoch"]), int(known["number"]),
                        [str(uuid) for uuid in known["stale"]])
    except FileNotFoundError:
        return MarkArgs(0, 0)


def note(paths: Paths, wanted: MarkArgs) -> bool:
    """Note a mark durably; False when a newer one is noted.

    Two candidates that become current at the same moment have two marks on their way, in two
    threads.
    """
    file = marks_file(paths)
    with exclusive(file):
        known = noted(paths)
        if (wanted.epoch, wanted.number) < (known.epoch, known.number):
            return False
        write_private(file, json.dumps({
            "epoch": wanted.epoch, "number": wanted.number,
            "stale": sorted(wanted.stale)}).encode())
    return True


@dataclass(frozen=True)
class StopArgs:
    """Of ``node.stop_master``; `kill`: it was asked before and does not end."""

    kill: bool = False


def stop_master(state: NodeState, args: dict[str, Any], _deadline: float) -> bool:
    """End the master daemon of this node; whether one ran."""
    paths = state.world.local.paths
    if not master_runs_here(paths):
        return False
    pid = running_pid(paths.daemon_pid(MASTERD))
    if pid is None:
        return True  # it begins or ends just now: the caller asks again
    kill = decode(StopArgs, args).kill
    log.warning("the master daemon, pid %d, is %s for another master", pid,
                "killed" if kill else "stopped")
    os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
    return True


def start_master(state: NodeState, _args: dict[str, Any], _deadline: float) -> None:
    """Start the master daemon of this node again: it was stopped for another that could not start.

    It holds its own vote: where a newer master was seen it does not start.

    :raises OpExecError: it did not start; says why
    """
    state.start_master()
