"""Authenticators in processes beside the daemon: asked in order, killed, named, remembered."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import wait_until

from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.node.local_node import LocalNode
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.authenticator import Identity
from ganeti_core.plugin_files import FOLDER
from ganeti_core.rapi.authenticators import Authenticators
from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.login import Login
from ganeti_core.rapi.permissions import READONLY
from ganeti_core.rapi.users import users_file
from ganeti_core.rpc.identity import NodeIdentity

PLUGIN = '''
import os, time
from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl
from ganeti_core.plugin_api.authenticator import Identity

PLUGIN = "authenticators:{name}"

class Mine:
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "{name}")

    @hookimpl
    def authenticate(self, ctx: HookContext, name: str, password: str) -> Identity | None:
        {body}
'''
SESAME = "sesame"
BODIES = {
    "hanging": "time.sleep(600)", "crashing": "os._exit(3)", "raising": "raise ValueError('odd')",
    "unable": "raise OpExecError('the directory is away')", "wrong": "return Identity('a b')",
    "typed": "return name", "listed": "return Identity(name, ['@admin'])",
    "fine": "return Identity(name) if password == 'sesame' else None",
    "slow": """(ctx.root / 'asked').touch()
        while not (ctx.root / 'go').exists():
            time.sleep(0.05)
        return Identity('before')"""}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalNode:
    """A node with one plugin file per way to answer."""
    root = tmp_path_factory.mktemp("doors")
    paths = Paths(root)
    paths.make_directories()
    (root / FOLDER).mkdir(parents=True, mode=0o755, exist_ok=True)
    for name, body in BODIES.items():
        file = root / FOLDER / f"{name}.py"
        file.write_text(PLUGIN.format(name=name, body=body))
        file.chmod(0o644)
    return LocalNode(NodeIdentity("u-1", "node1.example.com", "127.0.0.1", 1811), paths)


@pytest.fixture(scope="module")
def asked(local: LocalNode) -> Iterator[Authenticators]:
    found = Authenticators(("fine",), local, nothing, limit=60.0)
    yield found
    found.close()


async def nothing() -> dict[str, Any]:
    return {}


def ask(asked: Authenticators, order: str, password: str = SESAME) -> Identity | None:
    asked.order = tuple(order.split())
    return asyncio.run(asked.ask("jill", password))


def test_the_first_that_knows_somebody_counts(asked: Authenticators) -> None:
    assert ask(asked, "users-file fine") == Identity("jill")
    assert ask(asked, "users-file fine", "wrong") is None


@pytest.mark.parametrize(("name", "said"), [
    ("hanging", "did not end within"), ("crashing", "its process died (3)"),
    ("raising", "odd"), ("unable", "the directory is away"), ("wrong", "a name"),
    ("typed", "typed"), ("listed", "a string was expected")])
def test_one_that_fails_refuses_and_is_named_and_others_are_asked(
    asked: Authenticators, caplog: pytest.LogCaptureFixture, name: str, said: str
) -> None:
    asked.limit = 2.0 if name == "hanging" else 60.0
    with caplog.at_level(logging.ERROR):
        assert ask(asked, name, "secret") is None
        assert ask(asked, f"{name} fine" if name != "hanging" else "fine") == Identity("jill")

    told = [line for line in caplog.messages if name in line]
    assert len(told) == 1, "strangers do not fill the log"
    assert said in told[0]
    assert "secret" not in caplog.text


def test_one_that_is_disabled_is_not_asked(asked: Authenticators) -> None:
    async def settings() -> dict[str, Any]:
        return {"disabled_plugins": ["authenticators:fine"]}

    asked.settings = settings
    asked.forget()
    assert ask(asked, "fine") is None

    async def no_master() -> dict[str, Any]:
        raise GanetiError("no master")

    asked.settings = no_master
    asked.forget()
    assert ask(asked, "fine") is None

    asked.settings = nothing
    asked.forget()
    assert ask(asked, "fine") is not None


def test_a_plugin_that_is_loaded_again_while_it_answers_is_another_from_then_on(
    asked: Authenticators, local: LocalNode
) -> None:
    root = local.paths.root
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask, asked, "slow")
        wait_until((root / "asked").exists, "the plugin is asked")
        (root / FOLDER / "slow.py").write_text(PLUGIN.format(
            name="slow", body="return Identity('after')"))
        asked.forget()
        (root / "go").touch()
        assert answer.result() == Identity("before")
    assert ask(asked, "slow") == Identity("after")


@pytest.mark.parametrize("order", ["nosuch", "fine nosuch"])
def test_an_unknown_one_stops_the_start(local: LocalNode, order: str) -> None:
    found = Authenticators(tuple(order.split()), local, nothing)
    try:
        with pytest.raises(ConfigurationError, match="nosuch"):
            found.check()
    finally:
        found.close()


def header(password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"jill:{password}".encode())


def test_an_answer_is_remembered_as_long_as_it_says(tmp_path: Path) -> None:
    now, calls = [0.0], []

    async def ask(name: str, password: str) -> Identity | None:
        calls.append(password)
        return Identity(name, "@readonly", 5.0) if password == "sesame" else None

    login = Login(users_file(tmp_path / "users"), ask, clock=lambda: now[0])

    async def work() -> None:
        for _ in range(3):
            actor = await login.actor(header("sesame"))
            assert actor is not None
            assert (actor.name, actor.rights.granted) == ("jill", READONLY)
        now[0] = 5.0
        await login.actor(header("sesame"))
        for _ in range(2):
            with pytest.raises(HttpFailure):
                await login.actor(header("wrong"))

    asyncio.run(work())
    assert calls == ["sesame", "sesame", "wrong", "wrong"]


def test_who_may_do_what_stands_in_the_users_file(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("jill {none} @readonly\n")

    async def ask(name: str, password: str) -> Identity | None:
        return Identity(name)

    async def work() -> None:
        actor = await Login(users_file(tmp_path / "users"), ask).actor(header("x"))
        assert actor is not None
        assert actor.rights.granted == READONLY
        with pytest.raises(HttpFailure) as refused:
            await Login(users_file(tmp_path / "nosuch"), ask).actor(header("x"))
        assert refused.value.reason == "jill is not in the users file"
        assert "jill" not in refused.value.message

    asyncio.run(work())
