"""PAM as an authenticator, with a service of the test's own in ``/etc/pam.d``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganeti_core.plugin_api import HookContext, OpExecError
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import AuthenticatorContract
from ganeti_plugins.auth_pam import PamAuthenticator

SERVICES = Path("/etc/pam.d")
NAME = f"ganeti-test-{os.getpid()}"
CHECK = """#!/bin/sh
read -r password
test "$PAM_USER" = root && test "$password" = sesame
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose one user is root, an account that every host has."""
    pytest.importorskip("pam", reason="needs python-pam (pip install 'ganeti-core[pam]')")
    if not SERVICES.is_dir() or not any(Path("/lib").glob("*/security/pam_exec.so")):
        pytest.skip("needs PAM (apt-get install libpam-modules)")
    script = tmp_path_factory.mktemp("pam") / "check"
    script.write_text(CHECK)
    script.chmod(0o755)
    file = SERVICES / NAME
    file.write_text(f"auth required pam_exec.so quiet expose_authtok {script}\n"
                    "account required pam_permit.so\nsession required pam_permit.so\n")
    yield NAME
    file.unlink()


@pytest.mark.needs_root
class TestPam(AuthenticatorContract):
    @pytest.fixture
    def driver(self, service: str) -> PamAuthenticator:
        return PamAuthenticator(service)

    @pytest.fixture
    def user(self) -> tuple[str, str]:
        return "root", "sesame"


def test_without_a_service_of_its_own_nobody_is_let_in(tmp_path: Path) -> None:
    ctx: HookContext = make_context(tmp_path)

    with pytest.raises(OpExecError, match="no-such-service"):
        PamAuthenticator("no-such-service").authenticate(ctx, "root", "sesame")
