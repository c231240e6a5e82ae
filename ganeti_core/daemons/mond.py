"""The monitoring daemon: serves the newest reports of this node's collectors by HTTP, read-only."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import uvloop

from ganeti_core.daemons import on_node
from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.mond.pages import READ_ONLY, Response, Sources, respond
from ganeti_core.mond.reports import Reports
from ganeti_core.rapi.listener import Limits, Listener
from ganeti_core.rpc.identity import identity_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from ganeti_core.daemons.process import Daemon
    from ganeti_core.paths import Paths

NAME = "ganeti-mond"
PORT = 1815
USER = "gnt-mond"
LOOK_SECONDS = 2.0
"""Between two looks whether the daemon should end."""
MOST_CLIENTS = 128
BACKLOG = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class App:
    """The ASGI application."""

    sources: Sources

    async def __call__(
        self, scope: dict[str, Any], _receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        method = scope["method"]
        try:
            response = (respond(self.sources, scope["path"]) if method in ("GET", "HEAD")
                        else READ_ONLY)
        except Exception:  # wall: a page that fails is no reason to end
            log.exception("%s", scope["path"])
            response = Response("Internal error: the log of the daemon says more",
                                "text/plain; charset=utf-8", 500)
        body = response.body.encode(errors="replace")
        headers = [(b"content-type", response.media_type.encode()),
                   (b"content-length", str(len(body)).encode())]
        if response is READ_ONLY:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": response.status,
                    "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def sources_of(paths: Paths, node: str) -> Sources:
    """The pages of this node."""
    def told(name: str) -> str:
        try:
            return (paths.ssconf / f"ssconf_{name}").read_text().strip()
        except OSError:
            return ""

    return Sources(Reports(paths.reports).all, partial(told, "cluster_name"),
                   partial(told, "master_node"), node)


@dataclass
class Mond:
    """Serves until a signal, or until the host is no node any more."""

    paths: Paths
    app: App

    async def serve(self, listening: socket.socket, process: Daemon) -> None:
        """Serve at a socket that listens already."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        watching = loop.create_task(self._watch(stop, process))
        # The remote API's: clients that send too much, or nothing, keep nobody else from it.
        listener = Listener(self.app, listening, None, Limits(MOST_CLIENTS))
        process.ready()
        try:
            await listener.run(stop)
        finally:
            watching.cancel()

    async def _watch(self, stop: asyncio.Event, process: Daemon) -> None:
        """End where the host is no node any more, and give signs of life until then."""
        while identity_file(self.paths).exists():
            process.supervisor.lives()
            await asyncio.sleep(LOOK_SECONDS)
        log.warning("this host is no node any more")
        stop.set()


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ganeti-mond``."""
    options = make_parser().parse_args(argv)
    return on_node.run(NAME, options, lambda paths, identity, process: _serve(
        Mond(paths, App(sources_of(paths, identity.name))),
        (options.bind or identity.address, options.port), process), USER)


def _serve(mond: Mond, address: tuple[str, int], process: Daemon) -> int:
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
        listener.setblocking(False)
    except OSError as exc:
        return on_node.cannot_serve(process, address, exc)
    try:
        process.become_user()
    except ConfigurationError as exc:
        listener.close()
        return on_node.cannot_serve(process, address, exc)
    with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        log.info("serves at %s port %d", *address)
        runner.run(mond.serve(listener, process))
    log.info("ended")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the daemon."""
    return on_node.make_parser(
        NAME, "Ganeti monitoring daemon: serves reports of data collectors", PORT, USER)


if __name__ == "__main__":
    sys.exit(main())
