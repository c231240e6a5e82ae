"""The command line of ``gnt-plugin``; a command's own module is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.cli.failure import describe, exit_status
from ganeti_core.cli.formats import FORMATS, TABLE
from ganeti_core.cli.plugin.names import KINDS
from ganeti_core.cli.whereabouts import explained
from ganeti_core.errors import GanetiError
from ganeti_core.paths import Paths
from ganeti_core.std_streams import flush_or_forget, open_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DESCRIPTION = "Begin a plugin, check it, see which there are, switch them on and off."
EXIT_USAGE = 2


def run(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line; return the exit status."""
    open_closed()
    parser = make_parser()
    options, rest = parser.parse_known_args(argv)
    if rest and options.command != "check":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    if options.command is None:
        parser.print_help()
        return EXIT_USAGE
    module, name = options.function
    command: Callable[[argparse.Namespace], int] = getattr(
        import_module(f"{__package__}.{module}"), name)
    try:
        status = command(options)
        sys.stdout.flush()
        return status
    except GanetiError as exc:
        sys.stdout.flush()
        print(describe(explained(exc, Paths.from_environment())), file=sys.stderr)
        return exit_status(exc)
    except BrokenPipeError:
        flush_or_forget()
        return 1
    except KeyboardInterrupt:
        print("gnt-plugin: interrupted", file=sys.stderr)
        return 1
    except OSError as exc:
        flush_or_forget()
        where = f"{exc.filename}: " if exc.filename else ""
        print(f"gnt-plugin: {where}{exc.strerror or exc}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    parser = argparse.ArgumentParser(prog="gnt-plugin", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, module: str, text: str, function: str = "") -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(function=(module, function or name))
        return one

    new = add("new", "creating", "make the distribution of a new plugin, which passes its tests")
    new.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    new.add_argument("name", metavar="NAME", help="what users will type")
    new.add_argument("--dir", type=Path, metavar="DIR",
                     help="where (default: a folder named after the distribution)")
    check = add("check", "checking", "run the conformance kit against an installed distribution;"
                                     " further arguments go to pytest")
    check.add_argument("distribution", metavar="DIST", help="as pip list shows it")
    listing = add("list", "listing", "show the plugins, their origin and health",
                  "list_plugins")
    listing.add_argument("kind", metavar="KIND", nargs="?", help="only this kind")
    listing.add_argument("--local", action="store_true",
                         help="those of this host, even where a master could be asked")
    listing.add_argument("--nodes", action="store_true",
                         help="show which nodes lack plugins of the master or have others")
    listing.add_argument("--no-headers", action="store_true", help="leave out the titles")
    listing.add_argument("--separator", metavar="TEXT", help="put this between the columns")
    listing.add_argument("--format", choices=FORMATS, default=TABLE,
                         help="table is for people; json and yaml are data")
    info = add("info", "showing", "explain the kinds, the hooks of a kind, or one plugin")
    info.add_argument("what", metavar="KIND|KIND:NAME", nargs="*",
                      help="hypervisor, hypervisor:kvm; nothing: all kinds")
    schema = add("schema", "showing", "print the hooks of a kind, or the parameters of a plugin,"
                                      " as JSON")
    schema.add_argument("what", metavar="KIND|KIND:NAME", nargs="+",
                        help="hypervisor: its hooks; hypervisor:kvm: its parameters")
    collect = add("collect", "collecting", "show the last report of a data collector, as JSON")
    collect.add_argument("name", metavar="NAME", help="of the collector")
    where = collect.add_mutually_exclusive_group()
    where.add_argument("--node", metavar="NODE", help="whose report (default: the master's)")
    where.add_argument("--local", action="store_true",
                       help="collect now, in this process, twice: for authors of collectors")
    trace = add("trace", "tracing", "show the calls of a plugin's hooks, by the master and on a"
                                    " node: when, how long, with what, and what came of it")
    trace.add_argument("plugin", metavar="KIND:NAME", nargs="+", help="such as hypervisor:kvm")
    trace.add_argument("--node", metavar="NODE", help="another node than the master's")
    trace.add_argument("--seconds", type=float, metavar="SECONDS",
                       help="end after this time (default: when interrupted)")
    add("reload", "switching", "let the daemons of all nodes look again for plugins: what was"
                               " installed, upgraded or removed; guests and jobs go on")
    for name, text in (("enable", "let the cluster use a plugin again"),
                       ("disable", "keep the whole cluster from using a plugin")):
        one = add(name, "switching", text)
        one.add_argument("plugin", metavar="KIND:NAME", nargs="+",
                         help="such as hypervisor:kvm, or hypervisor kvm")
    return parser
