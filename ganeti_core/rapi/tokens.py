"""Bearer tokens: long random texts by which programs use the API, each with its own rights.

The tokens file has a line of JSON per token, with the SHA-256 digest of its text: from a text with
256 random bits it is as safe as a slow hash, and costs a request nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.permissions import Actor, Rights, resolve
from ganeti_core.rapi.scopes import Scope
from ganeti_core.rapi.watched_file import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "gnt_"
"""Programs that look for secrets in what is published find tokens by it."""
_RANDOM_BYTES = 32
_MARK_DIGITS = 16
_LAST_SECOND = 253_402_300_799
"""Of the year 9999: later ones cannot be shown."""


@dataclass(frozen=True)
class Token:
    """One token, as the file has it.

    :param digest: of its text, hexadecimal
    :param options: as in the users file
    :param scope: None where the rights count everywhere
    :param expires: seconds since 1970; None for never
    """

    name: str
    digest: str
    options: str
    scope: Scope | None = None
    expires: float | None = None

    @property
    def rights(self) -> Rights:
        return resolve(self.options.split(","))[0]

    def is_current(self, now: float) -> bool:
        return self.expires is None or now < self.expires

    def actor(self) -> Actor:
        """Whom it makes its bearer."""
        return Actor(f"token:{self.name}", self.rights, self.scope,
                     f"{self.name}:{self.digest[:_MARK_DIGITS]}")

    def to_line(self) -> str:
        said: dict[str, Any] = {"name": self.name, "sha256": self.digest, "options": self.options}
        if self.expires is not None:
            said["expires"] = self.expires
        return json.dumps(said | (self.scope.to_dict() if self.scope else {}))

    @classmethod
    def from_line(cls, line: str) -> Token:
        """:raises ValueError, KeyError, TypeError: the line is no token, or is damaged"""
        said = json.loads(line)
        if not isinstance(said, dict):
            raise TypeError("it is no object")
        name, digest, options = said["name"], said["sha256"], said.get("options", "")
        expires = said.get("expires")
        if not all(isinstance(one, str) for one in (name, digest, options)):
            raise TypeError("name, sha256 and options are texts")
        if not isinstance(expires, int | float | None) or isinstance(expires, bool):
            raise TypeError("expires is a number")
        if expires is not None and not 0 <= expires <= _LAST_SECOND:
            raise TypeError(f"expires is no time: {expires}")
        if unknown := said.keys() - {"name", "sha256", "options", "expires", "tags", "groups",
                                     "owner"}:
            # Perhaps a narrower scope of a later version: it must not become a wider one.
            raise TypeError(f"{min(unknown)} is not known")
        scope = Scope.from_dict(said)
        return cls(name, digest, options, scope if scope != Scope() else None, expires)


def new_text() -> str:
    """The text of a new token."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def parse_tokens(text: str) -> tuple[dict[str, Token], list[str]]:
    """Read a tokens file: the tokens by digest, and what is odd in it, for the log."""
    tokens: dict[str, Token] = {}
    odd: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            token = Token.from_line(line)
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            odd.append(f"line {number} is ignored: {type(exc).__name__}: {exc}")
            continue
        odd += [f"line {number}, token {token.name}: {problem}"
                for problem in resolve(token.options.split(","))[1]]
        tokens[token.digest] = token
    return tokens, odd


def tokens_file(file: Path, clock: Callable[[], float] = time.monotonic) -> WatchedFile[Token]:
    """The tokens of a file as it is now."""
    return WatchedFile(file, parse_tokens, "tokens", clock)
