"""Authenticator ``program``: a program of the administrator's knows who it is."""

import json

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl, run_command
from ganeti_core.plugin_api.authenticator import Identity

PROGRAM = "etc/ganeti/authenticate"
"""Below the root of the node's file tree."""
SECONDS = 8.0


class ProgramAuthenticator:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="A program that knows users")

    @hookimpl
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        # Neither of them is an argument: everybody on the node can read those.
        asked = json.dumps({"name": name, "password": password})
        said = run_command([ctx.root / PROGRAM], timeout=SECONDS, stdin=asked,
                           error=OpExecError).stdout.strip()
        if not said:
            return None
        return Identity(name, None if said == "-" else said)
