"""What shells are told of a program, read from its table of commands."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from ganeti_core.cli.completion import words
from ganeti_core.cli.completion.words import ANYTHING, Words
from ganeti_core.cli.options import COMMON, flag
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.options import CliOption, OptionSpec
    from ganeti_core.cli.session import Command
    from ganeti_core.cli.tools import Tool


@dataclass(frozen=True)
class Option:
    """An option; `value` is None where it takes none."""

    names: tuple[str, ...]
    help: str
    value: Words | None = None
    repeats: bool = False


@dataclass(frozen=True)
class Line:
    """What may follow a program, or one of its commands; with `more` the last argument repeats."""

    names: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    arguments: tuple[Words, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class Program:
    """A program with its commands, each with its other names.

    :param mixed: options may stand behind arguments
    """

    name: str
    commands: tuple[Line, ...]
    options: tuple[Option, ...]
    mixed: bool = False


HELP = flag("-h", "--help", dest="help", help="Show what there is")
_OF_PROGRAM = (Option(("-h", "--help"), "Show the commands"), Option(("--man",), "Show all of it"),
               Option(("-V", "--version"), "Show the version"))
_PLACEHOLDERS = {
    "instance": words.INSTANCE, "instance-name": words.INSTANCE, "node": words.NODE,
    "node-name": words.NODE, "group": words.GROUP, "group-name": words.GROUP,
    "nodegroup": words.GROUP, "source-group": words.GROUP, "network": words.NETWORK,
    "network-name": words.NETWORK, "job-id": words.JOB, "filter-uuid": words.FILTER,
    "file": words.FILE, "filename": words.FILE, "op-list-file": words.FILE,
    "instances.json": words.FILE, "dir": words.FOLDER, "os": words.OS,
    "templ": words.TEMPLATE, "template": words.TEMPLATE, "<pnode>[:<snode>]": words.NODE_PAIR,
}
"""What the placeholders in usages, and the names of options' values, stand for."""
_ARGUMENTS: dict[tuple[str, str], tuple[Words, ...]] = {
    ("gnt-backup", "import"): (),
    ("gnt-backup", "remove"): (words.EXPORT,),
    ("gnt-cluster", "epo"): (words.NODE,),
    ("gnt-cluster", "watcher"): (words.one_of("pause", "continue", "info"),),
    ("gnt-group", "add"): (),
    ("gnt-group", "rename"): (words.GROUP,),
    ("gnt-instance", "add"): (),
    ("gnt-instance", "rename"): (words.INSTANCE,),
    ("gnt-network", "add"): (),
    ("gnt-node", "add"): (),
    ("gnt-os", "info"): (words.OS,),
    ("gnt-os", "modify"): (words.OS,),
    ("gnt-storage", "info"): (words.PROVIDER,),
    **{("gnt-job", name): (words.UNFINISHED_JOB,)
       for name in ("cancel", "change-priority", "wait", "watch", "why")},
}
"""Arguments of which the usage says nothing, or more than is there yet."""
_OF_OPTIONS = {"iallocator": words.ALLOCATOR, "default_iallocator": words.ALLOCATOR}
_RESOURCES = {"gnt-backup": "export"}
_VALUE_OF_OPTION = re.compile(r"-{1,2}[\w-]+ <[^>]*>")
_PLACE = re.compile(r"<([^>]*)>|(?<![\w<-])([a-z]+(?:\|[a-z]+)+)")


def program(tool: Tool) -> Program:
    """Read the table of `tool`."""
    return Program(tool.program, tuple(_lines(tool)), _OF_PROGRAM)


def _lines(tool: Tool) -> Iterator[Line]:
    resource = _RESOURCES.get(tool.program, tool.program.removeprefix("gnt-"))
    for name, entry in sorted(tool.commands.items()):
        command: Command = import_module(entry.module).COMMANDS[name]
        fields = words.fields_of(resource) if name in ("list", "list-fields") else ANYTHING
        arguments = ((fields,) if name == "list-fields" else
                     _ARGUMENTS.get((tool.program, name), _placeholders(command)))
        aliases = [alias for alias, target in tool.aliases.items() if target == name]
        options = [spec for spec in (*command.options, *COMMON, HELP)
                   if not entry.refuses(spec.make())]
        yield Line((name, *aliases), entry.summary,
                   tuple(_option(spec, fields) for spec in options), arguments,
                   command.most is None)


def _placeholders(command: Command) -> tuple[Words, ...]:
    found = [words.one_of(*choices.split("|")) if choices
             else _PLACEHOLDERS.get(placeholder, ANYTHING)
             for placeholder, choices in _PLACE.findall(_VALUE_OF_OPTION.sub("", command.usage))
             if placeholder != "opts"]
    return tuple(found[:command.most])


def _option(spec: OptionSpec, fields: Words) -> Option:
    option = spec.make()
    value = _value(option, fields) if option.takes_value() else None
    return Option(spec.names, option.help or "", value, option.action in ("append", "count"))


def _value(option: CliOption, fields: Words) -> Words:
    metavar = option.metavar or ""
    if option.choices:
        return words.one_of(*option.choices)
    if option.type == "bool":
        return words.one_of("yes", "no")
    if option.dest == "output":
        return fields
    if re.fullmatch(r"\w+(\|\w+)+", metavar):
        return words.one_of(*metavar.split("|"))
    named = _PLACEHOLDERS.get(metavar) or _PLACEHOLDERS.get(metavar.strip("<>").lower())
    return named or _OF_OPTIONS.get(option.dest or "", ANYTHING)
