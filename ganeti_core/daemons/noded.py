"""The node daemon: builds its parts, serves, ends."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons, restart_node
from ganeti_core.bootstrap.enrol import Enrolment, Master, enrol
from ganeti_core.config.replica import Replica
from ganeti_core.daemons import on_node
from ganeti_core.daemons.master_queries import ask_master, report_left_behind
from ganeti_core.daemons.process import Daemon, end_on_signals, port_number
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.catch_up import CatchUp
from ganeti_core.node.collecting import Collecting
from ganeti_core.node.config_export import ConfigFile
from ganeti_core.node.dispatch import Dispatcher
from ganeti_core.node.exports import Exports
from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.preflight import Question, preflight
from ganeti_core.node.service import NodeService
from ganeti_core.node.services.cluster_files import remove_drafts
from ganeti_core.node.services.crypto import complete_install
from ganeti_core.node.services.facts import own_version
from ganeti_core.node.services.recovery import recover
from ganeti_core.node.state import NodeState
from ganeti_core.node.tending import Tending
from ganeti_core.node.workers import Workers
from ganeti_core.node.world import World, load_node_host
from ganeti_core.paths import Paths
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.outcomes import Outcomes
from ganeti_core.rpc.server import RpcServer
from ganeti_core.rpc.tls import TlsIdentity
from ganeti_core.span_exporters import SpanExporters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.plugins import PluginHost

NAME = "ganeti-noded"
RECOVERY_SECONDS = 300.0
STOP_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""Between two looks whether a signal has come."""
EXPORT_PAUSE = 0.5
"""Seconds between two looks whether the configuration has changed."""
EXPORT_REST = 1.5
"""The same after one that has: it changes many times while many jobs run."""

log = logging.getLogger(__name__)


@dataclass
class Noded:
    """A node daemon that serves until `stop`; tests build it in their own process."""

    state: NodeState
    server: RpcServer
    workers: Workers
    catch_up: CatchUp
    tending: Tending
    spans: SpanExporters

    def __post_init__(self) -> None:
        self._settling = threading.Thread(target=self._settle, name="settle", daemon=True)
        self._exporting = threading.Thread(target=self._export, name="export", daemon=True)

    @classmethod
    def build(
        cls, local: LocalNode, host: PluginHost, forks: ForkServer,
        address: tuple[str, int] | None = None,
    ) -> Noded:
        """Put the parts together; nothing listens yet. `address`: where, if not at the node's."""
        paths = local.paths
        own_version()  # before another one is installed
        complete_install(paths)
        remove_drafts(paths)
        world = World(local, host)
        workers = Workers(
            forks, lambda: ForkServer.launch(local, paths.log / "node-daemon.log"),
            master=lambda query, deadline: ask_master(local, query, deadline))
        state = NodeState(world, Dispatcher(world, workers), Members.of(paths),
                          Epochs(paths.epoch), Outcomes.in_folder(paths.calls),
                          Replica(paths.database), Collecting(world, workers),
                          lambda: local_daemons.start(paths, local_daemons.MASTERD),
                          lambda: restart_node.begin(paths),
                          partial(report_left_behind, local))
        enrolment, spans = Enrolment(paths), SpanExporters.find()
        catch_up = CatchUp(state, NodeClients(TlsIdentity.of(paths), lambda: 0))
        server = RpcServer(
            TlsIdentity.of(paths), state.members, NodeService(
                state, enrolment.answer, spans.begin(NAME, local.identity.name)),
            enrolment.is_open, catch_up.want,
            address or (local.identity.address, local.identity.port))
        return cls(state, server, workers, catch_up, Tending(world, state.dispatcher), spans)

    def start(self) -> None:
        """Open the port; recovery of the hypervisors goes on in the background.

        :raises OSError: the port cannot be opened
        :raises ConfigurationError: the certificates cannot be used
        """
        self.server.start()
        self.catch_up.start()
        self._settling.start()
        self._exporting.start()
        self.state.collecting.start()
        try:
            Exports(self.state.world.local.paths.root).prepare()
        except OSError as exc:
            log.warning("the folder for exports cannot be made: %s", exc)

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
        if not self.state.leave.is_set():
            self.tending.start()

    def _export(self) -> None:
        """Keep ``config.data`` up to date where there is a copy of the configuration."""
        file = ConfigFile(self.state.world.local.paths, self.state.replica)
        on_node.follow(
            self.state.leave, EXPORT_PAUSE, file.refresh, "config.data cannot be exported",
            EXPORT_REST)

    def stop(self) -> None:
        """Let calls under way end for a few seconds, then end them and all workers."""
        self.state.leave.set()
        self.catch_up.stop()
        self.tending.stop()
        self.server.stop(STOP_SECONDS)
        self.state.collecting.stop()
        self.workers.close()
        if self._exporting.is_alive():
            self._exporting.join(STOP_SECONDS)
        self.state.replica.close()
        self.spans.end()
        if self._settling.is_alive():
            # A hypervisor that hangs in its recovery does not keep the daemon from ending.
            self.settled(STOP_SECONDS)


def main(argv: Sequence[str] | None = None, host: PluginHost | None = None) -> int:
    """Run ``ganeti-noded``.

    :param host: the plugins, where who forked this process has loaded them
    """
    words = sys.argv[1:] if argv is None else list(argv)
    paths = Paths.from_environment()
    if words[:1] == ["enrol"]:
        return _enrol(paths, words[1:])
    if words[:1] == ["preflight"]:
        return _preflight(paths)
    options = make_parser().parse_args(words)
    return on_node.run(NAME, options, lambda paths, identity, process: _serve(
        options, LocalNode(identity, paths), process, host))


def _serve(options: argparse.Namespace, local: LocalNode, process: Daemon,
           loaded: PluginHost | None) -> int:
    address = (options.bind or local.identity.address, options.port or local.identity.port)
    try:
        host = loaded or load_node_host()
        noded = Noded.build(local, host, ForkServer.fork(local, host), address)
        end_on_signals(noded.state.leave)
        noded.start()
    except (GanetiError, OSError) as exc:
        return on_node.cannot_serve(process, address, exc)
    log.info("node %s serves at %s port %d", local.identity.name, *address)
    process.ready()
    while not noded.state.leave.wait(min(process.supervisor.interval or LOOK_SECONDS,
                                         LOOK_SECONDS)):
        process.supervisor.lives()
    noded.stop()
    log.info("ended")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the daemon."""
    return on_node.make_parser(NAME, "Ganeti node daemon")


def make_enrol_parser() -> argparse.ArgumentParser:
    """Describe the options of ``ganeti-noded enrol``."""
    parser = argparse.ArgumentParser(
        prog=f"{NAME} enrol", description="Make this host a node: fetch its certificate")
    parser.add_argument("--master", required=True, metavar="ADDRESS:PORT",
                        help="the node daemon of the master, which hands out certificates")
    parser.add_argument("--master-fingerprint", required=True, metavar="HEX",
                        help="SHA-256 of the master's own certificate; no other is shown the token")
    parser.add_argument("--ca-fingerprint", required=True, metavar="HEX",
                        help="SHA-256 of the cluster's authority; another one is not trusted")
    parser.add_argument("--token-file", default="-", metavar="FILE",
                        help="file with the one-time token; - reads it from standard input")
    parser.add_argument("--name", required=True, help="the name of this host as a node")
    parser.add_argument("--address", required=True, help="where it will listen")
    parser.add_argument("--port", type=port_number, required=True, help="where it will listen")
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
        enrol(paths, identity, Master(
            address.strip("[]"), int(port), options.master_fingerprint, options.ca_fingerprint),
            token, force=options.replace)
    except (GanetiError, OSError, ValueError) as exc:
        print(f"{NAME} enrol: {exc}", file=sys.stderr)
        return 1
    return 0


def _preflight(paths: Paths) -> int:
    """Look whether this host can be a node: the question comes as a line of JSON on standard input,
    the findings and this host's time go to standard output."""
    try:
        question = Question(**json.loads(sys.stdin.readline()))
    except (ValueError, TypeError) as exc:
        print(f"{NAME} preflight: no question on standard input ({exc}); run gnt-node preflight "
              "on the master", file=sys.stderr)
        return 1
    found = preflight(paths, load_node_host(), question)
    print(json.dumps({"findings": [asdict(one) for one in found], "time": time.time()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
