#!/usr/bin/env python3
"""The lab of virtual machines, by hand: `tests/lab/vmlab.py up 3`, then `... exec node1 lsblk`.

Tests use the same through `machines.fleet`. See `tests/lab/README.md`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machines.fleet import Fleet, Prepared
from machines.image import why_not
from machines.machine import CARDS, Machine
from machines.sorts import CONTAINERS, MEMORY, SORTS, SVM, USUAL, XEN

Options = argparse.Namespace
_NETWORKS = {"primary": 0, "replication": 1}


def up(fleet: Fleet, options: Options) -> int:
    """start so many machines: node1, node2, ..."""
    begun = time.monotonic()
    fleet = Fleet(options.lab, options.memory, SORTS[options.sort])
    machines = fleet.up(options.count, Prepared(
        options.prepare.read_text() if options.prepare else "", tuple(options.file)))
    print(f"{', '.join(one.name for one in machines)} ready after"
          f" {time.monotonic() - begun:.1f} s")
    return 0


def run(fleet: Fleet, options: Options) -> int:
    """run a command of the shell there, or a script from standard input where it is `-`"""
    script = " ".join(options.command)
    ran = _machine(fleet, options).run(sys.stdin.read() if script == "-" else script,
                                       options.timeout)
    sys.stdout.write(ran.output)
    return ran.status


def copy(fleet: Fleet, options: Options) -> int:
    """copy files and folders of this host into a folder there"""
    fleet.copy(options.source, _machine(fleet, options), options.folder)
    return 0


def cut(fleet: Fleet, options: Options) -> int:
    """pull the cable of one of its cards"""
    _machine(fleet, options).plug(_NETWORKS[options.network], connected=False)
    return 0


def join(fleet: Fleet, options: Options) -> int:
    """plug the cable in again"""
    _machine(fleet, options).plug(_NETWORKS[options.network], connected=True)
    return 0


def kill(fleet: Fleet, options: Options) -> int:
    """let its power fail"""
    _machine(fleet, options).cut_power()
    return 0


def start(fleet: Fleet, options: Options) -> int:
    """switch it on again, with the disks it had"""
    machine = _machine(fleet, options)
    if machine.pid() is not None:
        raise SystemExit(f"{machine.name} runs")
    machine.start_again()
    return 0


def console(fleet: Fleet, options: Options) -> int:
    """print what its console has shown"""
    sys.stdout.write(_machine(fleet, options).console())
    return 0


def down(fleet: Fleet, options: Options) -> int:
    """remove all machines; image and saved states stay"""
    del options
    fleet.down()
    return 0


def _machine(fleet: Fleet, options: Options) -> Machine:
    there = {one.name: one for one in fleet.all()}
    if options.machine not in there:
        raise SystemExit(f"there is no machine {options.machine} in the lab '{fleet.name}'"
                         f" (there are: {', '.join(there) or 'none'})")
    return there[options.machine]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmlab", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lab", default="lab", metavar="NAME",
                        help="which lab; several can be up at once (%(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[Fleet, Options], int]) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        one.set_defaults(function=function)
        if name not in ("up", "down"):
            one.add_argument("machine", help="node1, node2, ...")
        if name in ("cut", "join"):
            one.add_argument("--network", choices=_NETWORKS, default="primary",
                             help=f"10.{CARDS[0]}.0.0/24 or 10.{CARDS[1]}.0.0/24 (%(default)s)")
        return one

    begin = verb("up", up)
    begin.add_argument("count", type=int)
    begin.add_argument("--memory", type=int, default=0,
                       help=f"MiB of each ({MEMORY}, with --xen {XEN.memory})")
    for sort, text in ((XEN, "run their systems as first domains of Xen"),
                       (SVM, "with a processor for virtual machines of their own: modprobe"
                             " kvm-amd"), (CONTAINERS, "with LXC and CRIU")):
        begin.add_argument(f"--{sort.name}", dest="sort", action="store_const", const=sort.name,
                           default=USUAL.name, help=text)
    begin.add_argument("--prepare", type=Path, metavar="SCRIPT",
                       help="run on the first one before its state is saved for all")
    begin.add_argument("--file", type=Path, action="append", default=[],
                       help="put into /root before that; may be given several times")
    command = verb("exec", run)
    command.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
    command.add_argument("command", nargs=argparse.REMAINDER)
    copying = verb("copy", copy)
    copying.add_argument("source", type=Path, nargs="+")
    copying.add_argument("folder")
    for name, function in (("cut", cut), ("join", join), ("kill", kill), ("start", start),
                           ("console", console), ("down", down)):
        verb(name, function)
    return parser


def main() -> int:
    options = _parser().parse_args()
    if reason := why_not():
        raise SystemExit(f"no lab here: {reason}")
    return int(options.function(Fleet.found(options.lab), options))


if __name__ == "__main__":
    sys.exit(main())
