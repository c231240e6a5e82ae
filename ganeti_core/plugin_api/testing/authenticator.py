"""The conformance of authenticators: `AuthenticatorContract`."""

from __future__ import annotations

import functools
import logging
from typing import Any, ClassVar

import pytest

from ganeti_core.plugin_api.authenticator import (
    AUTHENTICATORS,
    MOST_SECONDS,
    AuthenticatorSpec,
    Identity,
)
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once
from .calls import Calls
from .footprint import Footprint

STRANGE = ("", " ", "\u00fc\u4e2d\U0001f600", "a\nb", "a\x00b", "*", "%s", "x" * 100_000)
"""What strangers send."""


class AuthenticatorContract(PluginContract):
    """Provide `driver`, and `user`, whom it knows in the context `ctx`."""

    kind: ClassVar[Kind[Any]] = AUTHENTICATORS

    @pytest.fixture
    def user(self) -> tuple[str, str]:
        """Name and password of somebody; the password is no part of the name."""
        raise NotImplementedError("provide a fixture `user`")

    @pytest.fixture
    def authenticator(self, calls: Calls[AuthenticatorSpec]) -> AuthenticatorSpec:
        return calls.of(AuthenticatorSpec)

    def test_a_password_that_fits_says_who_it_is(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str]
    ) -> None:
        found = authenticator.authenticate(ctx=ctx, name=user[0], password=user[1])
        assert isinstance(found, Identity)
        assert found.name
        assert not set(found.name) & set(": \t\r\n")
        assert 0 <= found.seconds <= MOST_SECONDS

    @pytest.mark.parametrize("wrong", ["", "{0}x", "x{0}"])
    def test_another_password_is_nobodys(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str], wrong: str
    ) -> None:
        password = wrong.format(user[1])
        assert authenticator.authenticate(ctx=ctx, name=user[0], password=password) is None

    def test_an_unknown_name_is_nobodys(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str]
    ) -> None:
        name = f"not-{user[0]}"
        assert authenticator.authenticate(ctx=ctx, name=name, password=user[1]) is None

    @pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
    def test_what_strangers_send_is_nobodys(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str], text: str
    ) -> None:
        assert authenticator.authenticate(ctx=ctx, name=user[0], password=text) is None
        assert authenticator.authenticate(ctx=ctx, name=text, password=user[1]) is None

    def test_nothing_secret_is_logged(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            for password in (user[1], f"{user[1]}-guessed"):
                authenticator.authenticate(ctx=ctx, name=user[0], password=password)
        assert user[1] not in caplog.text

    def test_looking_changes_nothing(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str],
        footprint: Footprint,
    ) -> None:
        for password in (user[1], "wrong"):
            authenticator.authenticate(ctx=ctx, name=user[0], password=password)
        footprint.assert_unchanged()

    def test_two_can_be_asked_about_at_once(
        self, authenticator: AuthenticatorSpec, ctx: HookContext, user: tuple[str, str]
    ) -> None:
        ask = functools.partial(authenticator.authenticate, ctx=ctx, name=user[0])
        found = at_once(lambda: ask(password=user[1]), lambda: ask(password="wrong"))  # noqa: S106  # nobody's
        assert found[0] is not None
        assert found[1] is None
