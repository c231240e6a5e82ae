"""``ganeti-rapi``: serves the remote API on the master node."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.daemons import on_master
from ganeti_core.daemons.account import add_user
from ganeti_core.daemons.process import Daemon, add_version, end_process, port_number
from ganeti_core.daemons.rapi_settings import Settings, listen
from ganeti_core.errors import ConfigurationError, GanetiError, NotInCluster, NotMaster
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.logs import reopen_logs
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    import socket

    from ganeti_core.rapi.authenticators import Authenticators
    from ganeti_core.rapi.console_dialer import Dialer
    from ganeti_core.rapi.consoles import ConsoleRelays
    from ganeti_core.rapi.login import Login
    from ganeti_core.rapi.master import MasterLink

log = logging.getLogger(__name__)

NAME = "ganeti-rapi"
PORT = 5080
USER = "gnt-rapi"
AUDIT_LOG = "rapi-audit.log"
ROLE_PATIENCE = 10.0
"""How long a node that has just become the master may take to know it."""
ROLE_PAUSE = 0.2
ROLE_SECONDS = 1.0
"""How often the daemon looks whether its node is still the master."""


def master_named(paths: Paths) -> str:
    """The master as this node's own files name it; empty where they do not."""
    try:
        return (paths.ssconf / "ssconf_master_node").read_text().strip()
    except OSError:
        return ""


def await_role(paths: Paths) -> None:
    """Return when this node's files say that it is the master: they follow a moment after.

    :raises NotMaster: another node is the master
    """
    until = time.monotonic() + ROLE_PATIENCE
    while True:
        try:
            return check_role(paths)
        except NotMaster:
            if time.monotonic() > until:
                raise
        time.sleep(ROLE_PAUSE)


def check_role(paths: Paths) -> None:
    """:raises NotMaster: another node is the master"""
    name, master = NodeIdentity.load(paths).name, master_named(paths)
    if master != name:
        raise NotMaster(f"this is not the master node, {master or 'an unknown one'} is: "
                        f"{NAME} runs there")


@dataclass(frozen=True)
class Opened:
    """What only root can have, perhaps."""

    listener: socket.socket
    context: ssl.SSLContext | None
    consoles: Dialer | None

    def close(self) -> None:
        if self.consoles is not None:
            self.consoles.close()


def _open(paths: Paths, settings: Settings, process: Daemon) -> Opened:
    """Open what needs root, and go on as the daemon's own user, where it has one.

    :raises GanetiError: something cannot be opened, or that user would be of no use
    """
    from ganeti_core.plugin_api.authenticator import AUTHENTICATORS
    from ganeti_core.rapi.authenticators import LOG_FILE
    from ganeti_core.rapi.console_dialer import Dialer

    context, listener = _context(settings), listen(settings)
    dialer = Dialer.start(paths) if process.account is not None else None
    process.become_user(logs=(AUDIT_LOG, LOG_FILE), plugins=AUTHENTICATORS.name)
    return Opened(listener, context, dialer)


async def _serve(paths: Paths, settings: Settings, opened: Opened, process: Daemon) -> None:
    """Serve until told to end.

    :raises GanetiError: it cannot begin, or another node has become the master
    """
    from ganeti_core.rapi.application import Application
    from ganeti_core.rapi.audit import AuditLog
    from ganeti_core.rapi.listener import Limits, Listener
    from ganeti_core.rapi.master import MasterLink

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    master, audit = MasterLink(paths.master_socket), AuditLog(paths.log / AUDIT_LOG)
    authenticators = _authenticators(paths, settings, master)
    login = _login(paths, authenticators)
    application = Application(
        master, login, settings.strict, audit=audit, consoles=_consoles(paths, opened.consoles))
    listener = Listener(application, opened.listener, opened.context,
                        Limits(settings.clients))

    def reload() -> None:
        # In a thread: whatever is being logged holds the log's lock.
        threading.Thread(target=reopen_logs, name="reopen-logs", daemon=True).start()
        authenticators.forget()
        login.look()
        audit.close()
        try:
            listener.context = _context(settings)
        except ConfigurationError as exc:
            log.error("the certificate stays as it was: %s", exc.message)
        else:
            log.info("certificate and users were read again")

    loop.add_signal_handler(signal.SIGHUP, reload)
    role = loop.create_task(_watch_role(paths, stop))
    living = loop.create_task(process.supervisor.keep_alive())
    log.info("%s serves on port %d of %s", NAME, settings.port,
             settings.address or "all addresses")
    process.ready()
    try:
        await listener.run(stop)
    finally:
        living.cancel()
        for one in (authenticators, master, audit, opened):
            one.close()
    if not role.cancel():
        role.result()
    log.info("%s stops", NAME)


def _authenticators(paths: Paths, settings: Settings, master: MasterLink) -> Authenticators:
    """:raises GanetiError: one of them cannot be used"""
    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.query.cluster import HOOK_SETTINGS
    from ganeti_core.rapi.authenticators import Authenticators

    async def hook_settings() -> Any:
        return (await master.call("QueryConfigValues", [HOOK_SETTINGS]))[0]

    found = Authenticators(
        settings.authenticators, LocalNode(NodeIdentity.load(paths), paths), hook_settings)
    found.check()
    return found


def _consoles(paths: Paths, dialer: Dialer | None) -> ConsoleRelays:
    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.node.receiving import stream_endpoint
    from ganeti_core.rapi.console_dialer import connect
    from ganeti_core.rapi.consoles import ConsoleRelays

    if dialer is not None:
        return ConsoleRelays(dialer.connect)
    return ConsoleRelays(lambda offer: connect(
        stream_endpoint(LocalNode(NodeIdentity.load(paths), paths)), offer))


def _login(paths: Paths, authenticators: Authenticators) -> Login:
    from ganeti_core.rapi.login import Login
    from ganeti_core.rapi.tokens import tokens_file
    from ganeti_core.rapi.users import users_file

    login = Login(users_file(paths.rapi_users), authenticators.ask, tokens_file(paths.rapi_tokens))
    login.look()
    return login


def _context(settings: Settings) -> ssl.SSLContext | None:
    """:raises ConfigurationError: the certificate cannot be used"""
    from ganeti_core.rapi.client_certificates import admit_clients
    from ganeti_core.rapi.listener import make_context

    if not settings.secure:
        return None
    try:
        context = make_context(settings.certificate, settings.key, settings.chain)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"the certificate {settings.certificate} cannot be used: {exc} (gnt-cluster"
            " renew-crypto --new-rapi-certificate makes one)") from exc
    if settings.client_ca is not None:
        try:
            admit_clients(context, settings.client_ca)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(
                f"the authorities in {settings.client_ca} cannot be used: {exc}") from exc
    return context


async def _watch_role(paths: Paths, stop: asyncio.Event) -> None:
    """End the daemon when its node is no longer the master; files that cannot be read do not tell.

    :raises NotMaster: it is not
    :raises NotInCluster: it is no node any more
    """
    trouble = ""
    while True:
        await asyncio.sleep(ROLE_SECONDS)
        try:
            NodeIdentity.load(paths)
            if master_named(paths):
                check_role(paths)
            trouble = ""
        except (NotMaster, NotInCluster):
            stop.set()
            raise
        except (GanetiError, OSError, ValueError) as exc:
            if trouble != (trouble := f"{type(exc).__name__}: {exc}"):
                log.warning("whether this is still the master cannot be told: %s", trouble)


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="The remote API of the cluster, on the master node.")
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("-d", "--debug", action="count", default=0, help="log more")
    add_version(parser)
    parser.add_argument("-p", "--port", type=port_number, default=PORT, help=f"default: {PORT}")
    parser.add_argument("-b", "--bind", metavar="ADDRESS", default="",
                        help="listen there only (default: on all addresses)")
    parser.add_argument("-i", "--interface", metavar="NAME", default="",
                        help="listen on the IPv4 address of this interface only")
    parser.add_argument("--max-clients", type=_positive, default=500, metavar="NUMBER",
                        help="connections at once, half of them of one address; default: 500")
    parser.add_argument("--no-ssl", action="store_true", help="serve HTTP without TLS")
    parser.add_argument("-K", "--ssl-key", type=Path, metavar="FILE",
                        help="the private key (default: it is in the certificate's file)")
    parser.add_argument("-C", "--ssl-cert", type=Path, metavar="FILE",
                        help="the certificate (default: the cluster's)")
    parser.add_argument("--ssl-chain", type=Path, metavar="FILE",
                        help="certificates between this one and an authority")
    parser.add_argument("--client-ca", type=Path, metavar="FILE",
                        help="certificates of authorities, and perhaps their revocation lists:"
                        " clients may show a certificate instead of a password")
    parser.add_argument("--require-authentication", action="store_true",
                        help="ask for a user's name and password, or a token, for every resource")
    parser.add_argument("--authenticators", type=_names, metavar="NAMES", default="users-file",
                        help="who knows users and their passwords, in the order in which they are"
                        " asked, with commas; default: users-file")
    add_user(parser, USER)
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of different names")
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``ganeti-rapi``."""
    options = make_parser().parse_args(argv)
    return end_process(run_daemon(Paths.from_environment(), options))


def run_daemon(paths: Paths, options: Any) -> int:
    """Run in the fore- or background; return the exit status."""
    def serve(process: Daemon) -> None:
        await_role(paths)
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            settings = Settings.of(options, paths)
            runner.run(_serve(paths, settings, _open(paths, settings, process), process))

    return on_master.run(NAME, paths, options, serve, USER)
