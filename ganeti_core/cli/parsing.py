"""From a command's arguments to its options, with the messages of wrong use."""

from __future__ import annotations

import optparse
from typing import TYPE_CHECKING

from ganeti_core.cli.options import COMMON, CliOption

if TYPE_CHECKING:
    from ganeti_core.cli.session import Command
    from ganeti_core.cli.tools import Tool


def parse(tool: Tool, name: str, command: Command,
          argv: list[str]) -> tuple[optparse.Values, list[str]]:
    """Read `argv`; a wrong option, or ``--help``, ends the program from here.

    :raises SystemExit: 2 for a wrong option, 0 after help
    """
    entry = tool.commands[name]
    options = [spec.make() for spec in (*command.options, *COMMON)]
    for option in options:
        option.help = entry.marked_help(option)
    parser = optparse.OptionParser(
        prog=tool.program, usage=f"%prog {name} {command.usage}".rstrip(),
        description=entry.marked_summary, option_class=CliOption,
        formatter=optparse.TitledHelpFormatter(), option_list=options)
    # An argument may begin with a dash: `grow-disk INSTANCE 0 -10M`.
    parser.disable_interspersed_args()
    return parser.parse_args(argv)


def check_arguments(name: str, command: Command, arguments: list[str]) -> str | None:
    """Return what is wrong with the number of arguments, if anything is."""
    least, most = command.least, command.most
    if "" in arguments:
        return f"Error: Command {name} takes no empty arguments"
    if len(arguments) >= least and (most is None or len(arguments) <= most):
        return None
    if most == 0:
        expected = "no arguments"
    elif least == most:
        expected = f"{least} argument(s)"
    elif most is None or len(arguments) < least:
        expected = f"at least {least} argument(s)"
    else:
        expected = f"at most {most} argument(s)"
    problem = f"Error: Command {name} expects {expected}"
    late = [argument for argument in arguments if argument.startswith("-")]
    if late and len(arguments) > least:
        problem += f"\nOptions must stand before the arguments: {' '.join(late)}"
    return problem
