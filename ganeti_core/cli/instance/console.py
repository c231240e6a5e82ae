"""``gnt-instance console``."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from ganeti_core import errors
from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import RS_NORMAL
from ganeti_core.cli.whereabouts import own_names

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

SSH_PORT = 22


def _find(session: Session, name: str) -> dict[str, Any]:
    """Ask how the instance's console is reached.

    :raises errors.OpPrereqError: there is no such instance
    :raises errors.OpExecError: it does not run, or has no console
    """
    answer = session.client.query(
        "instance", ["name", "console", "oper_state"], ["|", ["=", "name", name]])
    if not answer["data"]:
        raise errors.OpPrereqError(f"Instance '{name}' does not exist", errors.ECODE_NOENT)
    (_, full_name), (status, console), (state, runs) = answer["data"][0]
    found = dict(console) if status == RS_NORMAL and console else {}
    # What is only told is told of a stopped one, too.
    if state == RS_NORMAL and not runs and found.get("kind") != "msg":
        raise errors.OpExecError(f"Instance {full_name} is not running, can't get console")
    if not found:
        raise errors.OpExecError(
            f"Console information for instance {full_name} is unavailable"
            + ("" if state == RS_NORMAL else ": its node does not answer"))
    return found


def _is_here(session: Session, host: str) -> bool:
    """Whether the console's host is this node: then no ssh is needed."""
    return host in ("", "localhost", "127.0.0.1", "::1") or host in own_names(session.paths)


def command_line(console: dict[str, Any], here: bool) -> list[str]:
    """Give the program that attaches to an ``ssh`` console."""
    command = [str(part) for part in console["command"]] if isinstance(
        console["command"], list) else shlex.split(console["command"])
    if here:
        return command
    user, port = console.get("user") or "root", console.get("port") or SSH_PORT
    at = [] if port == SSH_PORT else ["-p", str(port)]
    return ["ssh", "-q", "-t", *at, f"{user}@{console['host']}", shlex.join(command)]


def _console(session: Session, arguments: list[str]) -> int:
    console = _find(session, arguments[0])
    match console["kind"]:
        case "msg":
            print(console["message"])
        case "vnc":
            print(f"Instance {console['instance']} has VNC listening on"
                  f" {console['host']}:{console['port']} (display {console.get('display')}),"
                  f" URL <vnc://{_at(console)}/>")
        case "spice":
            print(f"Instance {console['instance']} has SPICE listening on"
                  f" {console['host']}:{console['port']}, URL <spice://{_at(console)}/>")
        case "ssh":
            command = command_line(console, _is_here(session, console.get("host") or ""))
            if session.options.show_command:
                print(shlex.join(command))
                return 0
            _become(session, command)
        case other:
            raise CommandError(f"Unknown console type '{other}'")
    return 0


def _at(console: dict[str, Any]) -> str:
    """Return host and port as an URL has them."""
    host = str(console["host"])
    return f"{f'[{host}]' if ':' in host else host}:{console['port']}"


def _become(session: Session, command: list[str]) -> None:
    """Replace this process: the terminal belongs to the console from here on."""
    session.client.close()
    try:
        os.execvp(command[0], command)  # noqa: S606  # an argument list, no shell
    except OSError as exc:
        raise CommandError(f"Cannot run {command[0]}: {exc.strerror}") from exc


COMMANDS = {
    "console": Command(_console, "[--show-cmd] <instance-name>", 1, 1, (
        opt.flag("--show-cmd", dest="show_command",
                 help="Print the command and do not run it"),
        opt.PRIORITY)),
}
