"""``gnt-rapi-user``: who may use the remote API."""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpPrereqError
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.passwords import make_scrypt
from ganeti_core.rapi.access_command import described, run
from ganeti_core.rapi.permissions import resolve
from ganeti_core.rapi.users import parse_users
from ganeti_core.readers import admit
from ganeti_core.rpc.atomic import exclusive, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "gnt-rapi-user"
_NAME = re.compile(r"[^\s:#][^\s:]*")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``gnt-rapi-user``."""
    return run(PROGRAM, make_parser(), argv)


def make_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Say who may use the remote API, and for what.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    text = "add a user, or change password and options of one"
    one = described(commands, "set", _set, text, text + (
        ". The password is asked for, or read from standard input where that is no terminal. It is "
        "kept as a hash from which it cannot be read."))
    one.add_argument("name", metavar="NAME")
    one.add_argument("options", metavar="OPTIONS", nargs="?", default="",
                     help="roles and permissions, such as @operator,-instances.migrate")
    described(commands, "remove", _remove, "remove a user").add_argument("name", metavar="NAME")
    described(commands, "list", _list, "list users and their options")
    for one in commands.choices.values():
        one.add_argument("--file", type=Path, metavar="FILE",
                         help="the users file (default: that of this node)")
    return parser


def _file(options: argparse.Namespace) -> Path:
    return options.file or Paths.from_environment().rapi_users


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except FileNotFoundError:
        return []


def _is_of(line: str, name: str) -> bool:
    return line.split(None, 1)[:1] == [name]


def _set(options: argparse.Namespace) -> None:
    """:raises OpPrereqError: a name that cannot be one, or options that give nothing"""
    if not _NAME.fullmatch(options.name):
        raise OpPrereqError(f"'{options.name}' cannot be a user's name: no blanks, no colon, no #"
                            " at the beginning", ECODE_INVAL)
    words = options.options.replace(" ", "")
    _, odd = resolve(words.split(","))
    if odd:
        raise OpPrereqError("; ".join(odd), ECODE_INVAL)
    file, secret = _file(options), make_scrypt(_password())
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    admit(file.parent, file.parent)
    with exclusive(file):
        lines = [line for line in _lines(file) if not _is_of(line, options.name)]
        _write(file, [*lines, f"{options.name} {secret} {words}".rstrip()])
    if not words:
        print(f"{PROGRAM}: {options.name} has no permissions yet: give OPTIONS, such as @readonly",
              file=sys.stderr)


def _password() -> str:
    """:raises OpPrereqError: there is none, or it was typed differently the second time"""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password and password != getpass.getpass("Once more: "):
            raise OpPrereqError("the passwords are not the same", ECODE_INVAL)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise OpPrereqError("a password is needed", ECODE_INVAL)
    return password


def _remove(options: argparse.Namespace) -> None:
    """:raises OpPrereqError: there is no such user"""
    file = _file(options)
    if not any(_is_of(line, options.name) for line in _lines(file)):
        raise OpPrereqError(f"there is no user {options.name} in {file}", ECODE_NOENT)
    with exclusive(file):
        _write(file, [line for line in _lines(file) if not _is_of(line, options.name)])


def _list(options: argparse.Namespace) -> None:
    users, odd = parse_users("\n".join(_lines(_file(options))))
    for line in _lines(_file(options)):
        words = line.split(None, 2)
        if words and words[0] in users:
            print(" ".join([words[0], *words[2:]]))
    for problem in odd:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)


def _write(file: Path, lines: list[str]) -> None:
    write_private(file, "".join(f"{line}\n" for line in lines).encode())
