"""The users file: a line per user, ``name secret options``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.passwords import Secret, parse_secret, user_lines
from ganeti_core.rapi.permissions import Rights, resolve
from ganeti_core.rapi.watched_file import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class User:
    name: str
    secret: Secret
    rights: Rights


def parse_users(text: str) -> tuple[dict[str, User], list[str]]:
    """Read a users file: the users by name, and what is odd in it, for the log.

    No secret is in what is odd. Of a user that stands there twice the last line counts.
    """
    users: dict[str, User] = {}
    odd: list[str] = []
    for number, words in user_lines(text):
        if len(words) < 2:
            odd.append(f"line {number} is ignored: it has no secret")
            continue
        name, secret = words[0], parse_secret(words[1])
        rights, problems = resolve(words[2].split(",") if len(words) > 2 else [])
        if secret.problem:
            problems.append(secret.problem)
        odd += [f"line {number}, user {name}: {problem}" for problem in problems]
        users[name] = User(name, secret, rights)
    return users, odd


def users_file(file: Path, clock: Callable[[], float] = time.monotonic) -> WatchedFile[User]:
    """The users of a file as it is now."""
    return WatchedFile(file, parse_users, "users", clock)
