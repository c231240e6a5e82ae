"""``gnt-rapi-token``: tokens by which programs use the remote API."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, ECODE_NOENT, OpPrereqError
from ganeti_core.paths import Paths
from ganeti_core.rapi.access_command import described, run
from ganeti_core.rapi.permissions import resolve
from ganeti_core.rapi.scopes import Scope
from ganeti_core.rapi.tokens import Token, digest_of, new_text, parse_tokens
from ganeti_core.readers import admit
from ganeti_core.rpc.atomic import exclusive, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "gnt-rapi-token"
NEVER = "never"
DEFAULT_LIFE = "90d"
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_AGE = re.compile(r"([0-9]{1,6})([hd])")
_SECONDS = {"h": 3600, "d": 86400}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``gnt-rapi-token``."""
    return run(PROGRAM, make_parser(), argv)


def make_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Tokens by which programs use the remote API.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add = described(commands, "add", _add, "make a token", (
        "make a token and show it, this once: only a digest is kept. A scope limits it to objects"
        " for which everything holds that is said of tags, groups and owner."))
    add.add_argument("name", metavar="NAME")
    add.add_argument("options", metavar="OPTIONS",
                     help="roles and permissions, such as @operator,-instances.migrate")
    add.add_argument("--tag", action="append", default=[], type=_bound, metavar="TAG", dest="tags",
                     help="only objects with this tag, or another that is named so")
    add.add_argument("--group", action="append", default=[], type=_bound, metavar="GROUP",
                     dest="groups",
                     help="only what lies in this node group, or another that is named so")
    add.add_argument("--owner", type=_bound, metavar="NAME",
                     help="only objects with the tag owner:NAME")
    add.add_argument("--expires", type=_end_of, default=DEFAULT_LIFE, metavar="WHEN", help=(
        f"after hours or days (12h, 30d), on a date (2030-01-31), or {NEVER};"
        f" default: {DEFAULT_LIFE}"))
    remove = described(commands, "remove", _remove, "remove a token: it is refused a moment later")
    remove.add_argument("name", metavar="NAME")
    described(commands, "list", _list, "list tokens: options, scope, and when they expire")
    for one in commands.choices.values():
        one.add_argument("--file", type=Path, metavar="FILE",
                         help="the tokens file (default: that of this node)")
    return parser


def _bound(text: str) -> str:
    """A part of a scope."""
    if not text.strip():
        # As of a variable that a script has not set: the token would be good for all objects.
        raise argparse.ArgumentTypeError("it is empty, and would limit nothing")
    return text


def _end_of(text: str) -> float | None:
    """Seconds since 1970; None for never."""
    if text == NEVER:
        return None
    if found := _AGE.fullmatch(text):
        return int(time.time()) + int(found[1]) * _SECONDS[found[2]]
    try:
        end = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: 12h, 30d, 2030-01-31 or {NEVER}") from None
    if end <= time.time():
        raise argparse.ArgumentTypeError(f"{text} is over")
    return end


def _file(options: argparse.Namespace) -> Path:
    return options.file or Paths.from_environment().rapi_tokens


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def _named(line: str, name: str) -> bool:
    return any(token.name == name for token in parse_tokens(line)[0].values())


def _add(options: argparse.Namespace) -> None:
    """:raises OpPrereqError: the name is taken or cannot be one, or the options give nothing"""
    if not _NAME.fullmatch(options.name):
        raise OpPrereqError(f"'{options.name}' cannot be a token's name: letters, digits, and _.@-",
                            ECODE_INVAL)
    words = options.options.replace(" ", "")
    rights, odd = resolve(words.split(","))
    if odd or not rights.granted:
        raise OpPrereqError("; ".join(odd) or f"'{words}' gives no permission", ECODE_INVAL)
    scope = Scope(frozenset(options.tags), frozenset(options.groups), options.owner or "")
    file, text = _file(options), new_text()
    token = Token(options.name, digest_of(text), words, scope if scope != Scope() else None,
                  options.expires)
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    admit(file.parent, file.parent)
    with exclusive(file):
        lines = _text(file).splitlines()
        if any(_named(line, options.name) for line in lines):
            raise OpPrereqError(f"there is a token {options.name} already: remove it first",
                                ECODE_EXISTS)
        _write(file, [*lines, token.to_line()])
    print(text)


def _remove(options: argparse.Namespace) -> None:
    """:raises OpPrereqError: there is no such token"""
    file = _file(options)
    if not any(_named(line, options.name) for line in _text(file).splitlines()):
        raise OpPrereqError(f"there is no token {options.name} in {file}", ECODE_NOENT)
    with exclusive(file):
        _write(file, [line for line in _text(file).splitlines()
                      if not _named(line, options.name)])


def _list(options: argparse.Namespace) -> None:
    tokens, odd = parse_tokens(_text(_file(options)))
    for token in tokens.values():
        scope = token.scope or Scope()
        print(" ".join([
            token.name, token.options, *(f"tag={one}" for one in sorted(scope.tags)),
            *(f"group={one}" for one in sorted(scope.groups)),
            *([f"owner={scope.owner}"] if scope.owner else []), _life(token)]))
    for problem in odd:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)


def _life(token: Token) -> str:
    if token.expires is None:
        return f"expires={NEVER}"
    end = datetime.fromtimestamp(token.expires).astimezone().isoformat(timespec="seconds")
    return f"expires={end}" + ("" if token.is_current(time.time()) else " (over)")


def _write(file: Path, lines: list[str]) -> None:
    write_private(file, "".join(f"{line}\n" for line in lines).encode())
