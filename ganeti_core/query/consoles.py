"""Consoles of instances as clients know them: they know only those of Ganeti.

A driver names a socket or a serial device of the node; what attaches a terminal to it is said here,
once for all drivers.
"""

from __future__ import annotations

from pathlib import PurePath
from shlex import join, quote
from typing import TYPE_CHECKING, Any

from ganeti_core.model.params import filled_ndparams

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.plugin_api.data import Console

TERMINAL = "STDIO,raw,echo=0,escape=0x1d"
"""socat's address of the user's terminal; Ctrl-] leaves the console."""
SEEN_SECONDS = 3
"""How long a terminal may take until it is attached; what attaches it does not tell."""
PATH_LIMIT = 107
"""Bytes in the address of a Unix socket."""
_ADDRESSES = {"unix": "UNIX-CONNECT:{}", "serial": "OPEN:{},raw,echo=0"}
_MEANT_BY_SOCAT = set(",:!\\\"'()[]{}")
_HAS = {
    "msg": ("message",), "vnc": ("host", "port", "display"), "spice": ("host", "port"),
    "ssh": ("host", "port", "user", "command")}
"""What clients are sent of each kind."""


def console_document(snapshot: Snapshot, console: Console, node: Node) -> dict[str, Any]:
    """Return a console as clients know it: only what its kind has.

    :param node: on which the instance runs
    """
    if console.kind == "vnc" and console.path:
        # Ganeti's clients know no such kind: they are told where it is, in Ganeti's words.
        return {"instance": console.instance, "kind": "msg",
                "message": f"VNC server listening on {node.name}: unix:{console.path}"}
    kind, found = console.kind, {name: getattr(console, name) for name in (
        "message", "host", "port", "user", "command", "display")}
    if kind in _ADDRESSES:
        kind, found["command"] = "ssh", attaching(console)
    if kind == "ssh":
        group = snapshot.groups.get(node.group)
        found["port"] = found["port"] or filled_ndparams(snapshot.cluster, group, node)["ssh_port"]
        found["host"] = found["host"] or node.name
    document: dict[str, Any] = {"instance": console.instance, "kind": kind}
    for name in _HAS[kind]:
        if (value := found[name]) not in (None, "", ()):
            document[name] = list(value) if name == "command" else value
    return document


def attaching(console: Console) -> tuple[str, ...]:
    """Return the command that joins the terminal with a socket or device of the node it runs on,
    and lets a paused guest go on once it has."""
    joined = _joined(console.kind, console.path)
    if not console.command:
        return joined
    told = f"{console.instance} is paused, and goes on now\\r\\n"
    return ("sh", "-c", f"(sleep {SEEN_SECONDS}; printf {quote(told)}; {join(console.command)}"
                        f" >/dev/null 2>&1) </dev/null & exec {join(joined)}")


def _joined(kind: str, path: str) -> tuple[str, ...]:
    # A long path does not fit a socket's address, and socat reads some characters as its own.
    if len(path.encode()) <= PATH_LIMIT and not set(path) & _MEANT_BY_SOCAT:
        return ("socat", TERMINAL, _ADDRESSES[kind].format(path))
    name = "".join(f"\\{char}" if char in _MEANT_BY_SOCAT else char for char in PurePath(path).name)
    return ("env", f"--chdir={PurePath(path).parent}", "socat", TERMINAL,
            _ADDRESSES[kind].format(name))
