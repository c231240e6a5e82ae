"""The sockets of the master, and whom they serve.

``ganeti-query`` is Ganeti's: everything can be asked there, by root and by the users as which
daemons run. ``ganeti-read`` only answers questions, for programs that watch a cluster: to those
whom the permissions of its file let in.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.methods import asks_only
from ganeti_core.unix_sockets import listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ganeti_core.paths import Paths

DAEMONS = ("gnt-masterd", "gnt-confd", "gnt-rapi", "gnt-metad")
"""Ganeti's accounts for daemons that do not run as root; where one exists, it is served."""
DAEMONS_GROUP, READERS_GROUP = "gnt-daemons", "gnt-admin"
"""Ganeti's groups; where one exists, it is the group of a socket."""
MODE = 0o660
PASSABLE = 0o751
"""Of the folders of the sockets: their names can be used by all, and not be listed."""
BACKLOG = 4096
"""Clients that may wait to be accepted; the kernel has a limit of its own (net.core.somaxconn)."""
_CREDENTIALS = struct.Struct("3i")


def _everything(_method: str) -> bool:
    return True


@dataclass(frozen=True)
class Door:
    """One socket.

    :param group: of its file, where there is such a group
    :param admitted: the users that are served; None: all whom the file's permissions let in
    :param answers: tells whether a method is served here
    """

    path: Path
    group: str = ""
    admitted: frozenset[int] | None = None
    answers: Callable[[str], bool] = _everything

    def open(self) -> socket.socket:
        """:raises OSError: the socket cannot be made"""
        listener = listen(self.path, mode=MODE, backlog=BACKLOG)
        listener.setblocking(False)
        number = _group(self.group)
        if number is not None:
            # Who is not root makes it for itself alone.
            with suppress(PermissionError):
                os.chown(self.path, -1, number)
        return listener

    def check(self, method: str) -> None:
        """:raises OpPrereqError: this is not served here"""
        if not self.answers(method):
            raise OpPrereqError(
                f"{method} is not served at {self.path.name}, which only answers questions",
                ECODE_INVAL)

    def stranger(self, connection: socket.socket) -> str:
        """Who is at the other end and is not served here; empty for those who are."""
        if self.admitted is None:
            return ""
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(found)
        return "" if uid in self.admitted else f"the user {_name(uid)} (process {pid})"


def doors(paths: Paths) -> tuple[Door, ...]:
    """The sockets of a node's master."""
    return (Door(paths.master_socket, DAEMONS_GROUP, daemon_users()),
            Door(paths.read_socket, READERS_GROUP, answers=asks_only))


def make_passable(paths: Paths) -> None:
    """Let the groups of the sockets come to them, where there are any."""
    if any(_group(name) is not None for name in (DAEMONS_GROUP, READERS_GROUP)):
        for folder in (paths.run, paths.sockets):
            with suppress(PermissionError):
                folder.chmod(PASSABLE)


def daemon_users() -> frozenset[int]:
    """Root, the user as which this process runs, and Ganeti's accounts for daemons."""
    found = {0, os.geteuid()}
    for name in DAEMONS:
        with suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return frozenset(found)


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
