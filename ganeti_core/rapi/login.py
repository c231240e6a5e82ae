"""Who asks: a password that an authenticator knows, a token or a certificate; and their rights."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.authenticator import MOST_SECONDS
from ganeti_core.plugin_api.passwords import REALM
from ganeti_core.rapi.failures import HttpFailure, bad_request
from ganeti_core.rapi.permissions import Actor, resolve
from ganeti_core.rapi.tokens import digest_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ganeti_core.plugin_api.authenticator import Identity
    from ganeti_core.rapi.client_certificates import ClientCertificate
    from ganeti_core.rapi.tokens import Token
    from ganeti_core.rapi.users import User
    from ganeti_core.rapi.watched_file import WatchedFile

CHALLENGE = ("www-authenticate", f'Basic realm="{REALM}"')
_MOST_REMEMBERED = 1000


def unauthorized(reason: str = "") -> HttpFailure:
    """:param reason: for the log alone: whoever guesses learns nothing"""
    return HttpFailure(HTTPStatus.UNAUTHORIZED, headers=[CHALLENGE], reason=reason)


@dataclass
class Login:
    """Tells who has sent a request; remembers passwords for a moment, as keyed hashes.

    :param users: what people may do, by their names
    :param ask: who somebody with this name and password is
    :param now: seconds since 1970
    :param clock: monotonic seconds
    """

    users: WatchedFile[User]
    ask: Callable[[str, str], Awaitable[Identity | None]]
    tokens: WatchedFile[Token] | None = None
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    _key: bytes = field(default_factory=lambda: os.urandom(32))
    _known: OrderedDict[bytes, tuple[float, Identity]] = field(default_factory=OrderedDict)

    def look(self) -> None:
        """Read again what has changed."""
        self._known.clear()
        self.users.look()
        if self.tokens is not None:
            self.tokens.look()

    async def actor(
        self, header: bytes | None, certificate: ClientCertificate | None = None
    ) -> Actor | None:
        """Who it is; None without the header and without a certificate, which counts without it.

        :raises HttpFailure: 401, what was sent proves nothing; 400, it is not complete
        """
        if header is None:
            return None if certificate is None else self._shown(certificate)
        words = header.decode("latin-1").split(None, 2)
        scheme = words[0].lower() if words else ""
        if scheme not in ("basic", "bearer"):
            raise unauthorized("neither a password nor a token was sent")
        if len(words) < 2:
            raise bad_request(f"{scheme.capitalize()} authentication requires credentials")
        if scheme == "bearer":
            return self._bearer(words[1])
        identity = await self._identity(*_credentials(words[1]))
        if identity.options is None:
            return self.user(identity.name)
        return Actor(identity.name, resolve(identity.options.split(","))[0])

    def user(self, name: str) -> Actor:
        """Somebody who has proved who they are, with what the users file gives them.

        :raises HttpFailure: 401, they are not in it
        """
        user = self.users.get(name)
        if user is None:
            raise unauthorized(f"{name} is not in the users file")
        return Actor(user.name, user.rights, listed=True)

    def current(self, actor: Actor) -> Actor | None:
        """Somebody who has proved who they are a while ago, as they are now; None where nobody
        knows them any more."""
        if actor.mark:
            tokens = self.tokens.all() if self.tokens is not None else ()
            found = (token.actor() for token in tokens if token.is_current(self.now()))
            return next((one for one in found if (one.name, one.mark) == (actor.name, actor.mark)),
                        None)
        if not actor.listed:
            return actor
        user = self.users.get(actor.name)
        return None if user is None else Actor(user.name, user.rights, listed=True)

    def _shown(self, certificate: ClientCertificate) -> Actor:
        """:raises HttpFailure: 401, it has expired, or names nobody who is in the users file"""
        if not certificate.is_current(self.now()):
            raise unauthorized(f"the certificate of {certificate.name} has expired")
        return self.user(certificate.name)

    def _bearer(self, text: str) -> Actor:
        """:raises HttpFailure: 401, there is no such token, or it has expired"""
        token = self.tokens.get(digest_of(text)) if self.tokens is not None else None
        if token is None:
            raise unauthorized("no such token")
        if not token.is_current(self.now()):
            raise unauthorized(f"token:{token.name} has expired")
        return token.actor()

    async def _identity(self, name: str, password: str) -> Identity:
        """:raises HttpFailure: 401, nobody knows them"""
        mark = hmac.digest(self._key, f"{name}:{password}".encode(), hashlib.sha256)
        known = self._known.get(mark)
        if known is not None and self.clock() < known[0]:
            return known[1]
        began = self.clock()
        found = await self.ask(name, password)
        if found is None:
            self._known.pop(mark, None)
            raise unauthorized("no authenticator knows this name and password")
        self._known[mark] = began + min(found.seconds, MOST_SECONDS), found
        self._known.move_to_end(mark)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found


def _credentials(text: str) -> tuple[str, str]:
    """:raises HttpFailure: 401, they cannot be read"""
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise unauthorized("the header cannot be read") from None
    if not colon:
        raise unauthorized("the header cannot be read")
    return name, password
