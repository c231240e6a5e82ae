"""``gnt-confd``: ask the confds of the master candidates, without the master."""

from __future__ import annotations

import argparse
import json
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.confd_client import messages
from ganeti_core.confd_client.messages import Choice, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.paths import Paths

PROGRAM = "gnt-confd"
MOST_SECONDS = 3600
_ROLES = ("master", "candidate", "offline", "drained", "regular")
_FIELDS = ("name", "ip", "node-ip")


class _Question(NamedTuple):
    """One question: its type, what it asks for, its arguments, and how they make the query."""

    type: int
    summary: str
    arguments: tuple[tuple[str, str], ...] = ()
    """Name and help of each."""
    query: Callable[[argparse.Namespace], Query] = lambda _options: None
    shown: Callable[[Any], Any] = lambda answer: answer


_NODE = (("node", "name or uuid"),)
QUESTIONS: dict[str, _Question] = {
    "ping": _Question(messages.PING, "show the version of the configuration's format"),
    "node-role": _Question(
        messages.NODE_ROLE, "show what a node is", _NODE, lambda options: str(options.node),
        lambda answer: _ROLES[answer]),
    "instance-node": _Question(
        messages.NODE_OF_ADDRESS, "show the address of the node on which a guest runs, by the "
        "guest's own", (("address", "of a card of the guest"),),
        lambda options: Choice(options.link, options.address)),
    "master": _Question(
        messages.MASTER, "show the master's name, the cluster's address and the master's own",
        (), lambda _options: Choice(fields=(0, 1, 2)),
        lambda answer: dict(zip(_FIELDS, answer, strict=True))),
    "nodes": _Question(messages.NODES, "list the addresses of all nodes"),
    "candidates": _Question(messages.CANDIDATES, "list the addresses of the master candidates"),
    "instance-ips": _Question(
        messages.ADDRESSES, "list the addresses of guests", (),
        lambda options: None if options.link is None else str(options.link)),
    "node-minors": _Question(
        messages.NODE_MINORS, "list the minors of a node's disks that two nodes hold", _NODE,
        lambda options: str(options.node)),
    "node-instances": _Question(
        messages.NODE_INSTANCES, "show the instances of a node, primary and secondary ones", _NODE,
        lambda options: str(options.node)),
    "instance-disks": _Question(
        messages.INSTANCE_DISKS, "show the disks of an instance",
        (("instance", "name or uuid"),), lambda options: str(options.instance)),
    "config": _Question(
        messages.CONFIG, "show a part of the configuration, as config.data has it",
        (("path", "such as /cluster/cluster_name"),), lambda options: str(options.path)),
    "collectors": _Question(
        messages.COLLECTORS, "show which data collectors are active, and their intervals"),
}
_WITH_LINK = ("instance-node", "instance-ips")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``gnt-confd``."""
    from ganeti_core.errors import GanetiError
    from ganeti_core.std_streams import flush_or_forget, open_closed

    open_closed()
    options = make_parser().parse_args(argv)
    if options.command is None:
        make_parser().print_help()
        return 2
    try:
        print(_ask(options))
        sys.stdout.flush()
    except GanetiError as exc:
        asked = (getattr(options, name) for name, _ in QUESTIONS[options.command].arguments)
        print(f"Failure: {' '.join([PROGRAM, options.command, *asked])}: {exc}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        flush_or_forget()
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _ask(options: argparse.Namespace) -> str:
    from ganeti_core.confd_client.client import ConfdClient
    from ganeti_core.errors import ConfigurationError
    from ganeti_core.paths import Paths

    question, paths = QUESTIONS[options.command], Paths.from_environment()
    given = tuple(_address(paths, server) for server in options.server)
    if options.key is None:
        client = ConfdClient.of(paths)
        servers = given or client.servers
    else:
        try:
            client = ConfdClient(options.key.read_bytes(), servers := given)
        except OSError as exc:
            raise ConfigurationError(f"{options.key} cannot be read: {exc.strerror}") from exc
    if not servers:
        raise ConfigurationError("no confd to ask is known: give --server")
    client.servers, client.port, client.seconds = servers, options.port, options.timeout
    answer = client.value(question.type, question.query(options))
    return _text(answer) if options.json else _text(question.shown(answer), lines=True)


def _address(paths: Paths, server: str) -> str:
    """The address of a server as its answers will have it.

    :raises OpPrereqError: the name does not resolve
    """
    from ganeti_core.resolve import resolve

    try:
        return str(ip_address(server))
    except ValueError:
        return resolve(paths, server).address


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds above 0, up to {MOST_SECONDS}")
    return value


def _text(answer: Any, *, lines: bool = False) -> str:
    if lines and isinstance(answer, str | int):
        return str(answer)
    if lines and isinstance(answer, list) and all(isinstance(one, str) for one in answer):
        return "\n".join(answer)
    return json.dumps(answer, indent=1)


def make_parser() -> argparse.ArgumentParser:
    """Describe all questions and their options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Ask the confds of the master candidates about the cluster.")
    commands = parser.add_subparsers(dest="command", metavar="QUESTION")
    for name, question in QUESTIONS.items():
        one = commands.add_parser(name, help=question.summary, description=question.summary)
        for argument, text in question.arguments:
            one.add_argument(argument, metavar=argument.upper(), help=text)
        if name in _WITH_LINK:
            one.add_argument("--link", help="of the guests' cards; default: the cluster's default")
        one.add_argument("--server", action="append", default=[], metavar="HOST",
                         help="ask this one, by name or address; may be given several times "
                              "(default: the master candidates that this node knows)")
        one.add_argument("--port", type=_port, default=messages.PORT, metavar="PORT",
                         help=f"default: {messages.PORT}")
        one.add_argument("--key", type=Path, metavar="FILE",
                         help="the cluster's key (default: this node's own)")
        one.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS",
                         help="how long to wait (default: 10)")
        one.add_argument("--json", action="store_true", help="print the answer as it is")
    return parser
