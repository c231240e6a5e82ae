"""Passwords against PAM; what somebody may do stands in the users file."""

from __future__ import annotations

from pathlib import Path

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl
from ganeti_core.plugin_api.authenticator import Identity

SERVICE = "ganeti-rapi"
SERVICES = Path("/etc/pam.d")
"""PAM knows one place alone, whatever the root of the node's file tree is."""
LONGEST = 256
"""Characters of a name or password: modules of PAM are old, and written in C."""
SECONDS = 10.0
"""Modules may ask other hosts, and are not asked at each request."""


class PamAuthenticator:
    """Asks PAM.

    :param service: the file of that name says which modules are asked. Without it nobody is let
        in: PAM would take another one, which may admit more people
    """

    def __init__(self, service: str = SERVICE) -> None:
        self._service = service

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="Accounts of the operating system, by PAM")

    @hookimpl
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        if not (SERVICES / self._service).is_file():
            raise OpExecError(f"there is no {SERVICES / self._service}: it must say which modules"
                              " of PAM are asked")
        try:
            from pam import PamAuthenticator as Asking
        except ImportError as exc:
            raise OpExecError(f"PAM cannot be asked: {exc} (pip install 'ganeti-core[pam]')"
                              ) from exc
        if not (_is_possible(name) and _is_possible(password)):
            return None
        # The account's state counts, too; there are no credentials, for nothing is run as it.
        fits = Asking().authenticate(name, password, service=self._service, resetcreds=False)
        return Identity(name, seconds=SECONDS) if fits else None


def _is_possible(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isprintable() and text.strip() == text
