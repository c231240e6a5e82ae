"""What the conformance kit needs to know of this authenticator."""

import sys

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contracts import AuthenticatorContract

from . import PROGRAM, ProgramAuthenticator

TEXT = f"""#!{sys.executable}
import json, sys
asked = json.load(sys.stdin)
if asked == {{"name": "jill", "password": "sesame"}}:
    print("@operator")
"""


class TestProgramAuthenticator(AuthenticatorContract):
    @pytest.fixture
    def driver(self) -> ProgramAuthenticator:
        return ProgramAuthenticator()

    @pytest.fixture
    def user(self, ctx: HookContext) -> tuple[str, str]:
        file = ctx.root / PROGRAM
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEXT)
        file.chmod(0o755)
        return "jill", "sesame"
