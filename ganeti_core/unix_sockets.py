"""Unix sockets whose paths may be longer than a socket's address.

The kernel takes 107 bytes of path, and folders below a node's root may be deeper. A socket is
reached through a descriptor of its folder, ``/proc/self/fd/N/NAME``, so only its name counts.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKLOG = 128
"""Clients that may wait to be accepted."""


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Give an address of the socket at `path` that any of the kernel's calls takes meanwhile.

    :raises OSError: its folder is missing, or may not be entered
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, *, mode: int | None = None, backlog: int = BACKLOG) -> socket.socket:
    """Make a listening socket at `path`, in the place of one left there.

    :param mode: of the file, from before anybody can connect; without it the umask's
    :raises OSError: the folder is missing or not ours
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(path) as address:
            listener.bind(address)
        if mode is not None:
            path.chmod(mode)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to the socket at `path`; its operations are limited to `timeout` seconds.

    :raises OSError: nobody listens
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        with short_address(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
