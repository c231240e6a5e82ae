"""Names of hosts: the hosts file below the cluster's root first, then the system's resolver."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_RESOLVER, OpPrereqError

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths

HOSTNAME_VARIABLE = "GANETI_HOSTNAME"
"""Overrides the host's own name, so that many nodes fit on one host."""


@dataclass(frozen=True)
class Host:
    """A resolved host: full name and address."""

    name: str
    address: str


def resolve(paths: Paths, name: str) -> Host:
    """Find a host's full name and address.

    :raises OpPrereqError: it does not resolve (`ECODE_RESOLVER`)
    """
    found = _in_hosts_file(paths.hosts, name)
    if found is not None:
        return found
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise OpPrereqError(
            f"The given name ({name}) does not resolve: {reason}", ECODE_RESOLVER) from exc
    canonical = answers[0][3] or name
    full = canonical if canonical.split(".", 1)[0] == name.split(".", 1)[0] else name
    return Host(full, str(answers[0][4][0]))


def _in_hosts_file(file: Path, name: str) -> Host | None:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return None
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if name in names:
            return Host(names[0], address)
    return None


def own_name() -> str:
    """This host's name, or what `GANETI_HOSTNAME` says instead."""
    return os.environ.get(HOSTNAME_VARIABLE) or socket.getfqdn()
