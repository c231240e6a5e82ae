"""Scripts that complete command lines in bash, zsh and fish: for all programs with commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ganeti_core.cli.completion import bash, fish, zsh
from ganeti_core.cli.completion.declared import Line, Option, Program, program
from ganeti_core.cli.completion.words import ANYTHING, FILE, FOLDER, Words, one_of
from ganeti_core.cli.confd import make_parser as make_confd_parser
from ganeti_core.cli.plugin.commands import make_parser as make_plugin_parser
from ganeti_core.cli.tools import TOOLS
from ganeti_core.daemons.vcluster.commands import make_parser as make_vcluster_parser
from ganeti_core.rapi.token_command import make_parser as make_token_parser
from ganeti_core.rapi.user_command import make_parser as make_user_parser

from .manual import commands_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATHS = {"FILE": FILE, "DIR": FOLDER}


def files() -> dict[str, str]:
    """Text by path below ``packaging/completions``."""
    programs = [*map(program, TOOLS.values()), *map(_described, (
        make_confd_parser(), make_plugin_parser(), make_token_parser(), make_user_parser(),
        make_vcluster_parser()))]
    return {"zsh/_ganeti": zsh.script(programs),
            **{f"bash/{one.name}": bash.script(one) for one in programs},
            **{f"fish/{one.name}.fish": fish.script(one) for one in programs}}


def _described(parser: argparse.ArgumentParser) -> Program:
    summaries = {choice.dest: choice.help or "" for action in parser._actions
                 if isinstance(action, argparse._SubParsersAction)
                 for choice in action._choices_actions}
    lines = tuple(Line((name,), summaries.get(name, ""), tuple(_options(one)),
                       tuple(_words(action) for action in _positional(one)),
                       any(action.nargs in ("*", "+") for action in _positional(one)))
                  for name, one in commands_of(parser).items())
    return Program(parser.prog, lines, tuple(_options(parser)), mixed=True)


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings:
            yield Option(tuple(action.option_strings), action.help or "",
                         None if action.nargs == 0 else _words(action),
                         isinstance(action, argparse._AppendAction))


def _positional(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]


def _words(action: argparse.Action) -> Words:
    if action.choices:
        return one_of(*map(str, action.choices))
    return _PATHS.get(str(action.metavar), ANYTHING)
