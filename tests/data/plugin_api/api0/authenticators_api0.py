"""A plugin written for API 0 of authenticators. Frozen: it loads as long as API 0 is accepted."""

import hmac

from ganeti_core.plugin_api import Description, HookContext, hookimpl
from ganeti_core.plugin_api.authenticator import Identity


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest")

    @hookimpl
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        fits = hmac.compare_digest(password.encode(), b"sesame")
        return Identity(name, "@readonly", 5.0) if fits and name == "jill" else None
