"""The commands of ``gnt-vcluster``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.daemons.vcluster.layout import Layout, NoSuchCluster, VirtualNode
from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.std_streams import flush_or_forget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.daemons.vcluster.processes import DaemonState

DESCRIPTION = "Run a whole cluster of real daemons on this machine, below one folder."
EXIT_USAGE = 2


def run(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line; return the exit status."""
    options = make_parser().parse_args(argv)
    if options.command is None:
        make_parser().print_help()
        return EXIT_USAGE
    command: Callable[[argparse.Namespace], int] = options.function
    try:
        status = command(options)
        sys.stdout.flush()
        return status
    except GanetiError as exc:
        print(f"gnt-vcluster: {exc.message}", file=sys.stderr)
    except BrokenPipeError:
        flush_or_forget()
    except OSError as exc:
        flush_or_forget()
        where = f"{exc.filename}: " if exc.filename else ""
        print(f"gnt-vcluster: {where}{exc.strerror or exc}", file=sys.stderr)
    except KeyboardInterrupt:
        print("gnt-vcluster: interrupted (gnt-vcluster down cleans up)", file=sys.stderr)
    return 1


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    parser = argparse.ArgumentParser(prog="gnt-vcluster", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, function: Callable[[argparse.Namespace], int], text: str
            ) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--root", type=_root, required=True, metavar="DIR",
                         help="the cluster's folder")
        one.set_defaults(function=function)
        return one

    _add_up(add("up", _up, "make a cluster and start it"))
    down = add("down", _down, "stop daemons and guests and remove the folder")
    down.add_argument("--keep", action="store_true", help="leave the folder")
    start = add("start", _start, "start the daemons that are down")
    stop = add("stop", _stop, "stop daemons; guests run on")
    how = stop.add_mutually_exclusive_group()
    how.add_argument("--kill", action="store_true", help="by SIGKILL")
    how.add_argument("--crash", action="store_true",
                     help="by SIGKILL, and the guests too: as if the power failed")
    for one in (start, stop):
        one.add_argument("node", nargs="?", metavar="NODE", help="default: all")
        one.add_argument("daemon", nargs="?", metavar="DAEMON", help="default: all")
    status = add("status", _status, "show nodes and daemons; exit status 3 when one is down")
    status.add_argument("--json", action="store_true", help="for programs")
    environment = add(
        "env", _env, 'print the exports for a shell: eval "$(gnt-vcluster env --root DIR)"')
    environment.add_argument("node", nargs="?", default="master", metavar="NODE",
                             help="default: the master")
    execute = add("exec", _exec, "run a command as on a node")
    execute.add_argument("node", metavar="NODE", help="name, or: master")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD...")
    ssh = add("ssh", _ssh, "what the program ssh is on the nodes of this cluster")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT...")
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--nodes", type=int, default=3, metavar="N", help="default: 3")
    up.add_argument("--hypervisor", type=_words, default=(), metavar="NAME[,NAME]",
                    help="default: those that only pretend guests")
    up.add_argument("--disk-templates", type=_words, default=(), metavar="NAME[,NAME]",
                    help="default: those of gnt-cluster init")
    up.add_argument("--with", type=_extras, default=(), dest="extras", metavar="DAEMON[,DAEMON]",
                    help="daemons beside those that every cluster has, such as confd")
    up.add_argument("-H", "--hypervisor-parameters", type=_hvparams, action="append", default=[],
                    dest="hvparams", metavar="HYPERVISOR:KEY=VALUE[,...]",
                    help="defaults of instances on this cluster; may be given several times")


def _root(text: str) -> Path:
    return Path(os.path.abspath(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _extras(text: str) -> tuple[str, ...]:
    from ganeti_core.daemons.vcluster.processes import EXTRAS

    names = [f"ganeti-{word.removeprefix('ganeti-')}" for word in _words(text)]
    for name in names:
        if name not in EXTRAS:
            raise argparse.ArgumentTypeError(
                f"there is no daemon {name}: there are {', '.join(EXTRAS)}")
    return tuple(name for name in EXTRAS if name in names)


def _hvparams(text: str) -> tuple[str, dict[str, Any]]:
    name, _, settings = text.partition(":")
    pairs = [pair.partition("=") for pair in settings.split(",") if pair]
    if not name or not pairs or not all(key and equals for key, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not HYPERVISOR:KEY=VALUE[,KEY=VALUE...]")
    return name, {key: _value(value) for key, _, value in pairs}


def together(given: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The parameters by their hypervisor; of one that was given twice the last value counts."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in given:
        found.setdefault(name, {}).update(values)
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() else text


def _up(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.building import Wish, build

    layout = build(Wish(options.root, options.nodes, options.hypervisor, options.disk_templates,
                        together(options.hvparams), options.extras), _tell)
    _tell(f'To use it: eval "$(gnt-vcluster env --root {shlex.quote(str(layout.root))})"')
    return 0


def _tell(text: str) -> None:
    print(text, flush=True)


def _down(options: argparse.Namespace) -> int:
    try:
        layout = Layout.load(options.root)
    except NoSuchCluster:
        if options.root.exists() and any(options.root.iterdir()):
            raise
        _tell(f"There is nothing in {options.root}.")
        return 0
    from ganeti_core.daemons.vcluster.upkeep import tear_down

    tear_down(layout, keep=options.keep)
    return 0


def _start(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.processes import daemons
    from ganeti_core.daemons.vcluster.upkeep import locked, start

    layout = Layout.load(options.root)
    with locked(options.root):
        wanted = _chosen(options, layout, daemons(layout))
        if not any(node.is_enrolled for node in layout.nodes):
            raise ConfigurationError(
                f"the cluster in {options.root} was never finished: remove it (gnt-vcluster down) "
                "and make it again")
        if options.daemon and not wanted:
            raise ConfigurationError(
                f"{options.daemon} is no daemon of {options.node or 'this cluster'}: "
                "gnt-vcluster status lists them, gnt-vcluster up --with chooses further ones")
        start(wanted)
    for state in wanted:
        if state.pid is None:
            _tell(f"started {state.daemon} of {state.node.name}")
    return 0


def _chosen(
    options: argparse.Namespace, layout: Layout, states: list[DaemonState]
) -> list[DaemonState]:
    """Those of the daemons that the arguments NODE and DAEMON mean."""
    from ganeti_core.daemons.vcluster.processes import DAEMONS

    node = layout.node(options.node) if options.node else None
    daemon = options.daemon and f"ganeti-{options.daemon.removeprefix('ganeti-')}"
    if daemon not in (None, *DAEMONS):
        raise ConfigurationError(
            f"there is no daemon {options.daemon}: there are {', '.join(DAEMONS)}")
    return [state for state in states
            if node in (None, state.node) and daemon in (None, state.daemon)]


def _stop(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.left_behind import forget_run_files
    from ganeti_core.daemons.vcluster.processes import running, stop_daemons
    from ganeti_core.daemons.vcluster.upkeep import end_left_behind, locked

    if options.crash and options.daemon:
        raise ConfigurationError(
            f"--crash ends all of a node: leave out {options.daemon}, or give --kill instead")

    layout = Layout.load(options.root)
    with locked(options.root):
        chosen = _chosen(options, layout, running(layout))
        stop_daemons(chosen, kill=options.kill or options.crash)
        if options.crash:
            nodes = [layout.node(options.node)] if options.node else list(layout.nodes)
            end_left_behind(nodes, 0.0)
            forget_run_files(nodes)
    return 0


def _status(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.processes import daemons

    layout = Layout.load(options.root)
    states = daemons(layout)
    if options.json:
        print(json.dumps({"nodes": [_node_document(node, states) for node in layout.nodes]}))
        return 0
    for node in layout.nodes:
        mine = [f"{state.daemon} {state.pid or 'is down'}"
                for state in states if state.node == node]
        print(f"{node.name:<20} {node.address:<16} {', '.join(mine) or 'not in the cluster'}")
    return 0 if all(state.pid for state in states) else 3


def _node_document(node: VirtualNode, states: list[DaemonState]) -> dict[str, Any]:
    return {"name": node.name, "address": node.address, "root": str(node.root), "daemons": {
        state.daemon: {"pid": state.pid, "port": state.port}
        for state in states if state.node == node}}


def _env(options: argparse.Namespace) -> int:
    for name, value in Layout.load(options.root).node(options.node).environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _exec(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.remote import become

    node = Layout.load(options.root).node(options.node)
    words = _without_dashes(options.words)
    if not words:
        raise ConfigurationError("exec needs a command: gnt-vcluster exec --root DIR NODE CMD...")
    return become(node, words)


def _ssh(options: argparse.Namespace) -> int:
    from ganeti_core.daemons.vcluster.remote import ssh

    return ssh(Layout.load(options.root), _without_dashes(options.words))


def _without_dashes(words: list[str]) -> list[str]:
    return words[1:] if words[:1] == ["--"] else words
