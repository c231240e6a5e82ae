"""The node daemon: builds its parts, serves, ends."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.bootstrap.enrol import Enrolment, enrol
from ganeti_core.config.replica import Replica
from ganeti_core.daemons.process import (
    Daemon,
    end_on_signals,
    set_up_logging,
)
from ganeti_core.errors import GanetiError
from ganeti_core.node.dispatch import Dispatcher
from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.service import NodeService
from ganeti_core.node.services.crypto import complete_install
from ganeti_core.node.services.recovery import recover
from ganeti_core.node.state import NodeState
from ganeti_core.node.workers import Workers
from ganeti_core.node.world import Place, World, load_node_host
from ganeti_core.paths import Paths
from ganeti_core.rpc.access import Candidates, Epochs
from ganeti_core.rpc.certs import TlsIdentity
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.outcomes import Outcomes
from ganeti_core.rpc.server import RpcServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.plugins import PluginHost

NAME = "ganeti-noded"
RECOVERY_SECONDS = 300.0
STOP_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass
class Noded:
    """A node daemon that serves until `stop`; tests build it in their own process."""

    state: NodeState
    server: RpcServer
    workers: Workers

    def __post_init__(self) -> None:
        self._settling = threading.Thread(target=self._settle, name="settle", daemon=True)

    @classmethod
    def build(
        cls, place: Place, host: PluginHost, forks: ForkServer,
        address: tuple[str, int] | None = None,
    ) -> Noded:
        """Put the parts together; nothing listens yet. `address`: where, if not at the node's."""
        paths = place.paths
        complete_install(paths)
        world = World(place, host)
        workers = Workers(
            forks, lambda: ForkServer.launch(place, paths.log / "node-daemon.log"))
        state = NodeState(world, Dispatcher(world, workers), Candidates.of(paths),
                          Epochs(paths.epoch), Outcomes.in_folder(paths.calls),
                          Replica(paths.database))
        enrolment = Enrolment(paths)
        server = RpcServer(
            TlsIdentity.of(paths), state.candidates, NodeService(state, enrolment.answer),
            enrolment.is_open, address or (place.identity.address, place.identity.port))
        return cls(state, server, workers)

    def start(self) -> None:
        """Open the port; recovery of the hypervisors goes on in the background.

        :raises OSError: the port cannot be opened
        :raises ConfigurationError: the certificates cannot be used
        """
        self.server.start()
        self._settling.start()

    def settled(self, seconds: float) -> bool:
        """Wait for what `start` does in the background; tells whether it is done."""
        self._settling.join(seconds)
        return not self._settling.is_alive()

    def _settle(self) -> None:
        try:
            self.workers.warm_up()
            recover(self.state, {}, time.monotonic() + RECOVERY_SECONDS)
        except Exception:  # wall: a daemon that cannot recover guests still serves
            log.exception("recovery failed")

    def stop(self) -> None:
        """Let calls under way end for a few seconds, then end them and all workers."""
        self.state.leave.set()
        self.server.stop(STOP_SECONDS)
        self.workers.close()
        self.state.replica.close()
        if self._settling.is_alive():
            # A hypervisor that hangs in its recovery does not keep the daemon from ending.
            self.settled(STOP_SECONDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ganeti-noded``."""
    words = sys.argv[1:] if argv is None else list(argv)
    paths = Paths.from_environment()
    if words[:1] == ["enrol"]:
        return _enrol(paths, words[1:])
    options = make_parser().parse_args(words)
    try:
        identity = NodeIdentity.load(paths)
        with Daemon(paths, NAME, foreground=options.foreground) as process:
            set_up_logging(
                process.log_file, debug=options.debug, foreground=options.foreground)
            return _serve(options, Place(identity, paths), process)
    except GanetiError as exc:
        print(f"{NAME}: {exc}", file=sys.stderr)
        return 1


def _serve(options: argparse.Namespace, place: Place, process: Daemon) -> int:
    address = (options.bind or place.identity.address, options.port or place.identity.port)
    try:
        host = load_node_host()
        noded = Noded.build(place, host, ForkServer.fork(place, host), address)
        end_on_signals(noded.state.leave)
        noded.start()
    except (GanetiError, OSError) as exc:
        log.error("cannot serve at %s port %d: %s", *address, exc)
        process.failed(f"cannot serve at {address[0]} port {address[1]}: {exc}")
        return 1
    log.info("node %s serves at %s port %d", place.identity.name, *address)
    process.ready()
    noded.state.leave.wait()
    noded.stop()
    log.info("ended")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the daemon."""
    parser = argparse.ArgumentParser(prog=NAME, description="Ganeti node daemon")
    parser.add_argument("-f", "--foreground", action="store_true",
                        help="Don't detach from the current terminal")
    parser.add_argument("-d", "--debug", action="store_true", help="Enable some debug messages")
    parser.add_argument("-b", "--bind", metavar="ADDRESS",
                        help="Bind address (default: the node's own)")
    parser.add_argument("-p", "--port", type=int, help="Network port (default: the node's own)")
    return parser


def make_enrol_parser() -> argparse.ArgumentParser:
    """Describe the options of ``ganeti-noded enrol``."""
    parser = argparse.ArgumentParser(
        prog=f"{NAME} enrol", description="Make this host a node: fetch its certificate")
    parser.add_argument("--master", required=True, metavar="ADDRESS:PORT",
                        help="the node daemon of the master, which hands out certificates")
    parser.add_argument("--ca-fingerprint", required=True, metavar="HEX",
                        help="SHA-256 of the cluster's authority; another one is not trusted")
    parser.add_argument("--token-file", default="-", metavar="FILE",
                        help="file with the one-time token; - reads it from standard input")
    parser.add_argument("--name", required=True, help="the name of this host as a node")
    parser.add_argument("--address", required=True, help="where it will listen")
    parser.add_argument("--port", type=int, required=True, help="where it will listen")
    parser.add_argument("--replace", action="store_true",
                        help="even if this host is a node already")
    return parser


def _enrol(paths: Paths, words: Sequence[str]) -> int:
    options = make_enrol_parser().parse_args(words)
    try:
        source = sys.stdin if options.token_file == "-" else Path(options.token_file).open()  # noqa: SIM115,S105  # one line, then the process ends
        token = source.readline().strip()
        address, _, port = options.master.rpartition(":")
        identity = NodeIdentity("", options.name, options.address, options.port)
        enrol(paths, identity, (address.strip("[]"), int(port)), options.ca_fingerprint, token,
              force=options.replace)
    except (GanetiError, OSError, ValueError) as exc:
        print(f"{NAME} enrol: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
