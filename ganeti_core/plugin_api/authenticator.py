"""The contract of authenticators: who sends a name and a password to the remote API."""

from __future__ import annotations

from ganeti_core.lazy_dataclass import dataclass

from .context import HookContext
from .data import Description
from .kinds import Kind, hookspec, where

MOST_SECONDS = 60.0
"""No answer is remembered for longer."""


@dataclass(frozen=True)
class Identity:
    """Somebody whose password fits.

    :param name: under which audit log and users file know them
    :param options: what they may do, in the grammar of the users file
        (``@operator,-instances.migrate``); None: what the users file says of that name, and
        whoever is not in it is refused
    :param seconds: how long the same name and password need not be looked at again: removing
        somebody takes so long. At most `MOST_SECONDS`
    """

    name: str
    options: str | None = None
    seconds: float = 1.0


class AuthenticatorSpec:
    """What the remote API asks of an authenticator, on the master, in a process beside it.

    There may be several such processes: keep nothing in memory that another one must know.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the authenticator; what it must know of the cluster are `settings`."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=10.0)
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        """Say who it is, or None: it is nobody's name, or not their password.

        After None the next authenticator is asked. It takes as long for a name that it does not
        know as for a wrong password, and writes neither of them to a log.

        :param name: as a stranger sent it: any text without a colon, of any length
        :param password: likewise; it may be empty, and is then nobody's
        :raises OpExecError: it cannot be found out now; that refuses, too, and is logged
        """
        raise NotImplementedError


AUTHENTICATORS = Kind("authenticators", AuthenticatorSpec)
