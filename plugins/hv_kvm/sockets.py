"""Unix sockets below deep folders.

The kernel takes 107 bytes of path. Here a socket is reached through a descriptor of its folder,
``/proc/self/fd/N/name``, so the length of the folder's own path does not matter.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATH_LIMIT = 107
BACKLOG = 16


@contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """Make a listening socket at `path`, in place of one left there.

    :raises OSError: the folder is missing or not ours
    """
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as short:
            listener.bind(short)
        listener.listen(BACKLOG)
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
        with _short(path) as short:
            connection.connect(short)
    except OSError:
        connection.close()
        raise
    return connection
