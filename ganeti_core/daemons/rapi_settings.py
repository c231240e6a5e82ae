"""Where and how the remote API is served, from the daemon's options, and the socket for that."""

from __future__ import annotations

import errno
import socket
import struct
import time
from typing import TYPE_CHECKING

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from ganeti_core.paths import Paths

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
