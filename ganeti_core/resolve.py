"""Names of hosts: the hosts file below the cluster's root first, then the system's resolver."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_RESOLVER, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

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
    answer = _by_system(name)
    is_alias = answer.name.split(".", 1)[0] != name.split(".", 1)[0]
    return Host(name, answer.address) if is_alias else answer


def resolve_alike(paths: Paths, name: str) -> Host:
    """Find the full name, of which `name` (in lower case) is the beginning, and the address.

    What gets a name of its own must not silently get that of another host.

    :raises OpPrereqError: it does not resolve (`ECODE_RESOLVER`), or only to another name
    """
    found = _in_hosts_file(paths.hosts, name) or _by_system(name)
    full = found.name.lower().removesuffix(".")
    if full != name and not full.startswith(f"{name}."):
        raise OpPrereqError(f"Resolved hostname '{full}' does not look the same as given hostname "
                            f"'{name}'", ECODE_INVAL)
    return Host(full, found.address)


def _by_system(name: str) -> Host:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise OpPrereqError(
            f"The given name ({name}) does not resolve: {reason}", ECODE_RESOLVER) from exc
    return Host(answers[0][3] or name, str(answers[0][4][0]))


def _in_hosts_file(file: Path, name: str) -> Host | None:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return None
    for line in text.splitlines():
        address, *names = line.partition("#")[0].lower().split() or [""]
        if name.lower() in names:
            return Host(names[0], address)
    return None


def why_not_own(address: str) -> str:
    """Say why an address is none of this host; empty where an interface has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as exc:
            return exc.strerror or str(exc)
    return ""


def own_name() -> str:
    """This host's name, or what `GANETI_HOSTNAME` says instead."""
    return os.environ.get(HOSTNAME_VARIABLE) or socket.getfqdn()
