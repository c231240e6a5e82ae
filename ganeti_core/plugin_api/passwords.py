"""The users file: lines ``name secret options``, and what passwords are compared with.

Secrets are plain, ``{cleartext}``, ``{HA1}`` as in RFC 2617, or ``{scrypt}``; with ``{none}`` no
password fits: such a user shows who they are otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterator

from ganeti_core.lazy_dataclass import dataclass

USERS_FILE = "var/lib/ganeti/rapi/users"
"""Below the root of the node's file tree."""
REALM = "Ganeti Remote API"
NOTHING_FITS = "none"
_SCHEME = re.compile(r"\{([^}]+)\}(.*)", re.DOTALL)
_HA1 = re.compile("[0-9A-Fa-f]{32}")
_COST, _BLOCK, _PARALLEL = 2 ** 14, 8, 1
_MOST_COST, _MOST_BLOCK, _MOST_PARALLEL = 2 ** 17, 16, 4
"""Whoever edits the file may set parameters, but not so that a request takes minutes."""
_MEMORY = 320 << 20
_SALT_BYTES, _KEY_BYTES = 16, 32


@dataclass(frozen=True)
class Secret:
    """What a password is compared with.

    :param scheme: in lower case
    """

    scheme: str
    value: str

    @property
    def is_slow(self) -> bool:
        """Whether a comparison takes long on purpose: it is not for the event loop's thread."""
        return self.scheme == "scrypt"

    @property
    def problem(self) -> str:
        """Why no password can ever fit; empty where one can."""
        if self.scheme == NOTHING_FITS:
            return ""
        if self.scheme not in _CHECKS:
            return f"unknown scheme '{{{self.scheme}}}'"
        if not self.value:
            return "its password is empty: nobody can log in with it"
        if self.scheme == "ha1" and not _HA1.fullmatch(self.value):
            return "its {HA1} secret is no MD5 in hexadecimal digits"
        if self.scheme == "scrypt" and _scrypt_parts(self.value) is None:
            return "its {scrypt} secret is damaged (gnt-rapi-user makes one)"
        return ""

    def fits(self, user: str, password: str) -> bool:
        """Whether `password` is that of `user`; takes as long for a wrong one."""
        check = _CHECKS.get(self.scheme)
        return check is not None and bool(self.value) and check(self.value, user, password)


def parse_secret(text: str) -> Secret:
    """Read a field of the users file; without a scheme it is the password itself."""
    found = _SCHEME.fullmatch(text)
    if found is None:
        return Secret("cleartext", text)
    return Secret(found[1].lower(), found[2])


def user_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a users file that are users: number, and one to three fields."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, 2)
        if words and not words[0].startswith("#"):
            yield number, words


def make_scrypt(password: str) -> str:
    """A field for the users file from which the password cannot be read."""
    salt = os.urandom(_SALT_BYTES)
    key = _derive(password, salt, _COST, _BLOCK, _PARALLEL)
    return (f"{{scrypt}}{_COST}:{_BLOCK}:{_PARALLEL}:{base64.b64encode(salt).decode()}:"
            f"{base64.b64encode(key).decode()}")


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel,
                          maxmem=_MEMORY, dklen=_KEY_BYTES)


def _scrypt_parts(value: str) -> tuple[int, int, int, bytes, bytes] | None:
    """Return cost, block size, parallelism, salt and key; None where it has another form."""
    parts = value.split(":")
    if len(parts) != 5 or not all(part.isascii() and part.isdecimal() for part in parts[:3]):
        return None
    cost, block, parallel = (int(part[:9]) for part in parts[:3])
    sensible = (2 <= cost <= _MOST_COST and not cost & (cost - 1)
                and 1 <= block <= _MOST_BLOCK and 1 <= parallel <= _MOST_PARALLEL)
    try:
        salt, key = (base64.b64decode(part, validate=True) for part in parts[3:])
    except (binascii.Error, ValueError):
        return None
    return (cost, block, parallel, salt, key) if sensible and len(key) == _KEY_BYTES else None


def _is_cleartext(value: str, _user: str, password: str) -> bool:
    return hmac.compare_digest(value.encode(), password.encode())


def _is_ha1(value: str, user: str, password: str) -> bool:
    # The format is a standard's: nothing better can be read from these files.
    digest = hashlib.md5(f"{user}:{REALM}:{password}".encode(), usedforsecurity=False).hexdigest()
    return hmac.compare_digest(digest.encode(), value.lower().encode())


def _is_scrypt(value: str, _user: str, password: str) -> bool:
    parts = _scrypt_parts(value)
    if parts is None:
        return False
    cost, block, parallel, salt, key = parts
    return hmac.compare_digest(_derive(password, salt, cost, block, parallel), key)


_CHECKS = {"cleartext": _is_cleartext, "ha1": _is_ha1, "scrypt": _is_scrypt}
