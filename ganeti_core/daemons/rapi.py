"""``ganeti-rapi``: serves the remote API on the master node."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import signal
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.daemons import on_master
from ganeti_core.daemons.process import Daemon, end_process, port_number
from ganeti_core.errors import ConfigurationError, NotMaster
from ganeti_core.logs import reopen_logs
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from ganeti_core.rapi.authenticators import Authenticators
    from ganeti_core.rapi.consoles import ConsoleRelays
    from ganeti_core.rapi.login import Login
    from ganeti_core.rapi.master import MasterLink

log = logging.getLogger(__name__)

NAME = "ganeti-rapi"
PORT = 5080
AUDIT_LOG = "rapi-audit.log"
ROLE_PATIENCE = 10.0
"""How long a node that has just become the master may take to know it."""
ROLE_SECONDS = 1.0
"""How often the daemon looks whether its node is still the master."""
BACKLOG = 1024
LISTEN_SECONDS = 15.0
"""How long to wait for the port: the daemon of the former master ends just now, perhaps."""
LISTEN_PAUSE = 0.2
_SIOCGIFADDR = 0x8915


@dataclass(frozen=True)
class Settings:
    """Where and how to serve."""

    address: str
    port: int
    secure: bool
    certificate: Path
    key: Path | None
    chain: Path | None
    strict: bool
    clients: int
    authenticators: tuple[str, ...] = ("users-file",)
    client_ca: Path | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, paths: Paths) -> Settings:
        """Read options.

        :raises ConfigurationError: an interface has no address, or two of them exclude each other
        """
        if options.client_ca and options.no_ssl:
            raise ConfigurationError("--client-ca has no effect with --no-ssl: clients show "
                                     "certificates as a TLS connection begins")
        address = options.bind or (address_of(options.interface) if options.interface else "")
        certificate = options.ssl_cert or paths.rapi_certificate
        return cls(address, options.port, not options.no_ssl, certificate,
                   options.ssl_key or None, options.ssl_chain or None,
                   options.require_authentication, options.max_clients,
                   options.authenticators, options.client_ca)


def address_of(interface: str) -> str:
    """The IPv4 address of a network interface.

    :raises ConfigurationError: there is none
    """
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            found = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)
        except OSError as exc:
            raise ConfigurationError(
                f"-i {interface}: the interface has no IPv4 address ({exc.strerror})") from exc
    return socket.inet_ntoa(found[20:24])


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket; where somebody has it, wait a while.

    :raises ConfigurationError: it cannot be opened
    """
    until = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            sock = _listening(settings.address, settings.port)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(LISTEN_PAUSE)
                continue
            raise ConfigurationError(
                f"port {settings.port} of {settings.address or 'all addresses'} cannot be opened: "
                f"{exc.strerror}") from exc
        sock.setblocking(False)
        return sock


def _listening(address: str, port: int) -> socket.socket:
    """Without an address on all, IPv6 included where there is any."""
    if address:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG,
                                    dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=BACKLOG)


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
        time.sleep(LISTEN_PAUSE)


def check_role(paths: Paths) -> None:
    """:raises NotMaster: another node is the master"""
    name, master = NodeIdentity.load(paths).name, master_named(paths)
    if master != name:
        raise NotMaster(f"this is not the master node, {master or 'an unknown one'} is: "
                        f"{NAME} runs there")


async def _serve(paths: Paths, settings: Settings, process: Daemon) -> None:
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
    master = MasterLink(paths.master_socket)
    authenticators = _authenticators(paths, settings, master)
    login = _login(paths, authenticators)
    audit = AuditLog(paths.log / AUDIT_LOG)
    application = Application(
        master, login, settings.strict, audit=audit, consoles=_consoles(paths))
    listener = Listener(application, listen(settings), _context(settings),
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
        authenticators.close()
        master.close()
        audit.close()
    if not role.cancel():
        role.result()
    log.info("%s stops", NAME)


def _authenticators(paths: Paths, settings: Settings, master: MasterLink) -> Authenticators:
    """:raises GanetiError: one of them cannot be used"""
    from ganeti_core.node.world import LocalNode
    from ganeti_core.query.cluster import HOOK_SETTINGS
    from ganeti_core.rapi.authenticators import Authenticators

    async def hook_settings() -> Any:
        return (await master.call("QueryConfigValues", [HOOK_SETTINGS]))[0]

    found = Authenticators(
        settings.authenticators, LocalNode(NodeIdentity.load(paths), paths), hook_settings)
    found.check()
    return found


def _consoles(paths: Paths) -> ConsoleRelays:
    from ganeti_core.node.receiving import stream_endpoint
    from ganeti_core.node.world import LocalNode
    from ganeti_core.rapi.consoles import ConsoleRelays

    return ConsoleRelays(lambda: stream_endpoint(LocalNode(NodeIdentity.load(paths), paths)))


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
    """End the daemon when its node is no longer the master.

    :raises NotMaster: it is not
    """
    while True:
        await asyncio.sleep(ROLE_SECONDS)
        try:
            check_role(paths)
        except NotMaster:
            stop.set()
            raise


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="The remote API of the cluster, on the master node.")
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("-d", "--debug", action="count", default=0, help="log more")
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
            runner.run(_serve(paths, Settings.of(options, paths), process))

    return on_master.run(NAME, paths, options, serve)
