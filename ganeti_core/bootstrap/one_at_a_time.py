"""One command at a time on a host, where two that meet would each undo what the other makes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.pid_file import AlreadyRunning, PidFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.paths import Paths

MASTER = "gnt-cluster-master"
"""Held by who makes this host the master: of a new cluster, of an imported one, or instead of
another node."""


@contextmanager
def alone(paths: Paths, lock: str, doing: str) -> Iterator[None]:
    """Hold a lock of this host, which ends with the process.

    :param doing: what others that hold it are called
    :raises OpPrereqError: another process holds it (`ECODE_STATE`)
    """
    paths.run.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        held = PidFile.lock(paths.daemon_pid(lock))
    except AlreadyRunning as exc:
        raise OpPrereqError(f"another {doing} is at work: {exc.message}", ECODE_STATE) from exc
    try:
        yield
    finally:
        held.release()
