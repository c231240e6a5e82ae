"""What the commands have in common that say who may use the remote API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.std_streams import flush_or_forget, open_closed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def run(program: str, parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Run the command that is asked for; return the exit status."""
    open_closed()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 2
    command: Callable[[argparse.Namespace], None] = options.function
    try:
        command(options)
        sys.stdout.flush()
    except GanetiError as exc:
        print(f"{program}: {exc.message}", file=sys.stderr)
    except BrokenPipeError:
        flush_or_forget()
    except OSError as exc:
        flush_or_forget()
        where = f"{exc.filename}: " if exc.filename else ""
        print(f"{program}: {where}{exc.strerror or exc}", file=sys.stderr)
    except UnicodeDecodeError as exc:
        print(f"{program}: the file is no text in UTF-8: {exc}", file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print(f"{program}: interrupted, nothing was changed", file=sys.stderr)
    else:
        return 0
    return 1


def described(
    commands: Any, name: str, function: Callable[[argparse.Namespace], None], text: str,
    description: str = "",
) -> argparse.ArgumentParser:
    """Add a command to those of a parser."""
    one: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=description or text)
    one.set_defaults(function=function)
    return one
