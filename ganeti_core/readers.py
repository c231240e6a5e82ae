"""Which of a node's files daemons may read that are not root, on a host with users for them.

Everything below the data folder is root's. What one of these daemons needs is readable by the
group of its own user, and by no other daemon: whoever writes such a file calls `admit` before the
file gets its name. A virtual cluster's files belong to who started it, and stay so.
"""

from __future__ import annotations

import grp
import logging
import os
import stat
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ganeti_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

RAPI, CONFD = "gnt-rapi", "gnt-confd"
"""Groups, each of the user of the same name."""
READERS = {"rapi.pem": RAPI, "rapi": RAPI, "rapi/users": RAPI, "rapi/tokens": RAPI,
           "hmac.key": CONFD,
           # The index of the log, too: readers take part in its locks, which needs no right to
           # write. SQLite gives log and index the owner, group and mode of the database.
           "cluster.db": CONFD, "cluster.db-wal": CONFD, "cluster.db-shm": CONFD}
"""By the path in the data folder, the group that may read a file, or enter a folder."""


def admit(target: int | Path, file: Path) -> None:
    """Let the readers of `file` read `target`, which is or will be that file.

    What root alone may have, or what somebody else than root writes, is left as it is. Where root
    cannot let them, its log says so.

    :param target: a descriptor, or a path that is no symbolic link
    """
    group = _group_of(file)
    if group is None:
        return
    try:
        state = os.stat(target)
        mode = stat.S_IMODE(state.st_mode)
        wanted = mode | (0o050 if stat.S_ISDIR(state.st_mode) else 0o040)
        # What was opened before may be read-only for this service.
        if (state.st_gid, mode) != (group, wanted):
            os.chown(target, -1, group)
            os.chmod(target, wanted)
    except FileNotFoundError:
        pass
    except OSError as exc:
        if os.geteuid() == 0:
            _warn(file, READERS[_name_of(file)], exc.strerror)


def admit_to_all(paths: Paths, group: str) -> None:
    """Let the members of `group` read what is theirs and there already: for older installations."""
    for file in files_of(paths, group):
        if file.exists() and not file.is_symlink():
            admit(file, file)


def files_of(paths: Paths, group: str) -> Iterator[Path]:
    """The files that members of `group` read, whether they are there or not."""
    return (paths.data / name for name, reader in READERS.items() if reader == group)


@cache
def _warn(file: Path, group: str, why: str) -> None:
    """Once in a process: a file may be written often."""
    log.warning("%s cannot be given to group %s (%s): the daemon of that user cannot read it",
                file, group, why)


def _group_of(file: PurePath) -> int | None:
    """The number of the group that may read a file; None where only its owner may."""
    try:
        return grp.getgrnam(READERS[_name_of(file)]).gr_gid
    except KeyError:
        return None


def _name_of(file: PurePath) -> str:
    """The path in the data folder; empty elsewhere."""
    data = Paths(Path("/")).data
    return str(file.relative_to(data)) if file.is_relative_to(data) else ""
