"""What the daemons of a node share: their options, and the way from the command to serving."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import TYPE_CHECKING

from ganeti_core.daemons.account import Account, add_user
from ganeti_core.daemons.process import Daemon, add_version, port_number
from ganeti_core.errors import GanetiError
from ganeti_core.logs import set_up_logging
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

log = logging.getLogger(__name__)


def make_parser(
    name: str, description: str, port: int | None = None, user: str = ""
) -> argparse.ArgumentParser:
    """Describe the options of a daemon.

    :param port: the default; None: what the node's identity says
    :param user: the daemon's own user; empty: it has none
    """
    own = "the node's own"
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("-f", "--foreground", action="store_true",
                        help="Don't detach from the current terminal")
    parser.add_argument("-d", "--debug", action="store_true", help="Enable some debug messages")
    parser.add_argument("-b", "--bind", metavar="ADDRESS",
                        help=f"Bind address (default: {own})")
    parser.add_argument("-p", "--port", type=port_number, default=port,
                        help=f"Network port (default: {port or own})")
    if user:
        add_user(parser, user)
    add_version(parser)
    return parser


def run(
    name: str, options: argparse.Namespace,
    serve: Callable[[Paths, NodeIdentity, Daemon], int], user: str = "",
) -> int:
    """Be the daemon `name` on this node until it ends; return the exit status.

    :param user: the daemon's own user, which `serve` makes it become
    """
    paths = Paths.from_environment()
    try:
        identity = NodeIdentity.load(paths)
        account = Account.wanted(options.user, user, paths) if user else None
        with Daemon(paths, name, options.foreground, account) as process:
            if account is not None:
                account.own(process.log_file)
            set_up_logging(process.log_file, process.log_file.stem, debug=options.debug,
                           terminal=options.foreground)
            return serve(paths, identity, process)
    except GanetiError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1


def cannot_serve(process: Daemon, address: tuple[str, int], why: Exception) -> int:
    """Say so in the log and to who started the daemon; return the exit status."""
    log.error("cannot serve at %s port %d: %s", *address, why)
    process.failed(f"cannot serve at {address[0]} port {address[1]}: {why}")
    return 1


def follow(
    leave: threading.Event, least_pause: float, look: Callable[[], object], problem: str,
    rest: float = 0.0,
) -> None:
    """Look again and again until `leave` is set; what goes wrong is logged when it changes.

    :param least_pause: seconds between two looks; longer where one takes long, so that a large
        configuration that changes all the time keeps no processor busy
    :param problem: what cannot be done then, for the log
    :param rest: seconds at least after a look that has found something
    """
    told = ""
    pause = least_pause
    while not leave.wait(pause):
        began = time.monotonic()
        found = False
        try:
            found = bool(look())
            told = ""
        except (GanetiError, OSError, ValueError) as exc:
            if str(exc) != told:
                log.warning("%s: %s", problem, exc)
            told = str(exc)
        except Exception:  # wall: the thread outlives whatever one look met
            log.exception("%s", problem)
        pause = max(least_pause, rest if found else 0.0, 3 * (time.monotonic() - began))
