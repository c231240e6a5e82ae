"""The users file as an authenticator: the kit, and how much work a refusal is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_core.paths import Paths
from ganeti_core.plugin_api import HookContext, OpExecError
from ganeti_core.plugin_api.passwords import USERS_FILE, Secret, make_scrypt
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import AuthenticatorContract
from ganeti_plugins.auth_users import UsersFileAuthenticator


def write(ctx: HookContext, *lines: str) -> None:
    file = ctx.root / USERS_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))


class TestUsersFile(AuthenticatorContract):
    @pytest.fixture
    def driver(self) -> UsersFileAuthenticator:
        return UsersFileAuthenticator()

    @pytest.fixture
    def user(self, ctx: HookContext) -> tuple[str, str]:
        write(ctx, "# people", "jill {HA1}7046452df2cbb530877058712cf17bd4",
              "jack sesame @readonly")
        return "jack", "sesame"


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path)


def test_the_daemon_reads_the_same_file(tmp_path: Path) -> None:
    assert tmp_path / USERS_FILE == Paths(tmp_path).rapi_users


@pytest.mark.parametrize(("name", "password", "slow"), [
    ("jill", "sesame", 1), ("jill", "wrong", 1), ("nobody", "sesame", 1), ("jack", "wrong", 1),
    ("gone", "sesame", 1), ("jack", "other", 0)])
def test_every_refusal_is_as_much_work(
    ctx: HookContext, monkeypatch: pytest.MonkeyPatch, name: str, password: str, slow: int
) -> None:
    write(ctx, "jack other", f"jill {make_scrypt('sesame')}", "gone {none}")
    compared = []
    fits = Secret.fits

    def noted(self: Secret, user: str, given: str) -> bool:
        if self.is_slow:
            compared.append(user)
        return fits(self, user, given)

    monkeypatch.setattr(Secret, "fits", noted)
    found = UsersFileAuthenticator().authenticate(ctx, name, password)

    assert (found is not None) == ((name, password) in (("jill", "sesame"), ("jack", "other")))
    assert len(compared) == slow


def test_a_changed_password_counts_at_once(ctx: HookContext) -> None:
    asked = UsersFileAuthenticator()
    write(ctx, f"jill {make_scrypt('sesame')}")
    assert asked.authenticate(ctx, "jill", "sesame") is not None
    assert asked.authenticate(ctx, "jill", "sesame") is not None

    write(ctx, f"jill {make_scrypt('other')}")

    assert asked.authenticate(ctx, "jill", "sesame") is None


def test_a_file_that_cannot_be_read_is_an_error(ctx: HookContext) -> None:
    (ctx.root / USERS_FILE).mkdir(parents=True)

    with pytest.raises(OpExecError, match="users"):
        UsersFileAuthenticator().authenticate(ctx, "jill", "sesame")
