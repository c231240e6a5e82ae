"""Report to the master, wherever it runs, that a copy of a disk does not follow what is written.

A program of its own, as a kernel calls it by the helper of a driver (`plugin_api.copy_reports`): it
needs no daemon of this node, for that one may be down while writes wait for the answer.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from ganeti_core.daemons.master_queries import report_left_behind
from ganeti_core.errors import GanetiError, NotMaster, OpPrereqError
from ganeti_core.node.local_node import LocalNode
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.copy_reports import REFUSED, UNHEARD, WRITTEN
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.members import Member, Members
from ganeti_core.rpc.tls import TlsIdentity

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 0.2
"""Seconds between two rounds."""
CALL_SECONDS = 15.0
"""For one node: a commit may first have to note that a master candidate is lost."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a program; the exit status is one of `plugin_api.copy_reports`."""
    options = make_parser().parse_args(argv)
    paths = Paths.from_environment()
    try:
        local = LocalNode(NodeIdentity.load(paths), paths)
        clients = NodeClients(TlsIdentity.of(paths), lambda: 0)
    except GanetiError as exc:
        print(exc, file=sys.stderr)
        return UNHEARD
    try:
        return _until_heard(local, clients, options)
    finally:
        clients.close()


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(prog="copy_report", description=__doc__)
    parser.add_argument("disk", help="uuid of the disk")
    parser.add_argument("copy", help="uuid of the node whose copy does not follow")
    parser.add_argument("seconds", type=float, help="how long to try")
    return parser


def _until_heard(local: LocalNode, clients: NodeClients, options: argparse.Namespace) -> int:
    until, problem = time.monotonic() + options.seconds, "no node of the cluster is known here"
    while True:
        for peer in _candidates(local):
            try:
                _report(local, clients, peer, options, until)
            except NotMaster as exc:
                problem = exc.message
            except OpPrereqError as exc:
                print(exc.message, file=sys.stderr)
                return REFUSED
            except GanetiError as exc:
                problem = str(exc)
            else:
                return WRITTEN
        if time.monotonic() + PAUSE >= until:
            print(problem, file=sys.stderr)
            return UNHEARD
        time.sleep(PAUSE)


def _candidates(local: LocalNode) -> list[Peer]:
    """Who may be the master, the one that is thought to be it first."""
    try:
        master = (local.paths.ssconf / "ssconf_master_node").read_text().strip()
    except OSError:
        master = ""

    def order(member: Member) -> tuple[bool, str]:
        return member.name != master, member.name

    known = Members.of(local.paths).known().members
    return [Peer(one.uuid, one.name, one.address, one.port)
            for one in sorted(known, key=order) if one.candidate]


def _report(
    local: LocalNode, clients: NodeClients, peer: Peer, options: argparse.Namespace, until: float
) -> None:
    """:raises GanetiError: the master has not got it, or refuses it"""
    seconds = max(PAUSE, min(CALL_SECONDS, until - time.monotonic()))
    if peer.uuid == local.identity.uuid:
        report_left_behind(local, options.disk, options.copy, peer.uuid,
                           time.monotonic() + seconds)
        return
    clients.call(peer, service_call(
        "disk.left_behind", {"disk": options.disk, "copy": options.copy}, timeout=seconds))


if __name__ == "__main__":
    sys.exit(main())
