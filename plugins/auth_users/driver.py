"""Passwords against the users file. Whoever is refused waits as long, whatever was wrong."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl
from ganeti_core.plugin_api.authenticator import Identity
from ganeti_core.plugin_api.passwords import USERS_FILE, Secret, parse_secret, user_lines

_NOBODY = Secret("cleartext", "")
_MOST_REMEMBERED = 1000


@dataclass
class _Remembered:
    """Passwords whose comparison is slow and that fitted, as keyed hashes."""

    key: bytes = field(default_factory=lambda: os.urandom(32))
    known: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def fits(self, secret: Secret, name: str, password: str) -> bool:
        """As `Secret.fits`, at once if it did before."""
        if not secret.is_slow:
            return secret.fits(name, password)
        mark = hmac.digest(self.key, "\0".join((secret.value, name, password)).encode(),
                           hashlib.sha256)
        with self.guard:
            if mark in self.known:
                self.known.move_to_end(mark)
                return True
        if not secret.fits(name, password):
            return False
        with self.guard:
            self.known[mark] = None
            while len(self.known) > _MOST_REMEMBERED:
                self.known.popitem(last=False)
        return True


class UsersFileAuthenticator:
    """Looks into the file each time: a change counts at once."""

    def __init__(self) -> None:
        self._remembered = _Remembered()

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="Users file of the remote API")

    @hookimpl
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        users = _users(ctx)
        secret = users.get(name, _NOBODY)
        if self._remembered.fits(secret, name, password):
            return Identity(name)
        if not secret.is_slow and (decoy := _decoy(users)) is not None:
            # Who is unknown, or has a secret of another sort, would be refused sooner.
            decoy.fits(name, password)
        return None


def _users(ctx: HookContext) -> dict[str, Secret]:
    """:raises OpExecError: the file cannot be read"""
    try:
        text = (ctx.root / USERS_FILE).read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise OpExecError(f"the users file {ctx.root / USERS_FILE} cannot be read: {exc}") from exc
    return {words[0]: parse_secret(words[1]) for _, words in user_lines(text) if len(words) > 1}


def _decoy(users: dict[str, Secret]) -> Secret | None:
    """A secret that costs as much as those of others."""
    return next((one for one in users.values() if one.is_slow and not one.problem), None)
