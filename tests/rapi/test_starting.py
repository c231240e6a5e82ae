"""Where the remote API is started, with which options, and how it moves with the master."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from rapi_cluster import with_users
from virtual_cluster import wait_until

from ganeti_core.bootstrap import local_daemons
from ganeti_core.daemons import rapi
from ganeti_core.daemons.rapi import make_parser
from ganeti_core.daemons.rapi_settings import Settings, address_of, listen
from ganeti_core.errors import ConfigurationError, NotInCluster, NotMaster
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import identity_file


@pytest.mark.parametrize(("text", "found"), [
    ("", None),
    ("# RAPI_ARGS=\"--debug\"\n", None),
    ("NODED_ARGS=--debug\n", None),
    ("RAPI_ARGS=\n", []),
    ("RAPI_ARGS=\"--bind 127.9.9.9 --debug\"\n", ["--bind", "127.9.9.9", "--debug"]),
    ("RAPI_ARGS=--debug --no-ssl\n", ["--debug", "--no-ssl"]),
    ("RAPI_ARGS=--debug\nRAPI_ARGS='--no-ssl'\n", ["--no-ssl"]),
])
def test_options_stand_in_the_defaults(
    tmp_path: Path, text: str, found: list[str] | None
) -> None:
    file = tmp_path / "etc/default/ganeti"
    file.parent.mkdir(parents=True)
    file.write_text(text)

    assert local_daemons.settings_of(Paths(tmp_path), local_daemons.RAPI) == found


def test_a_quote_that_is_not_closed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "etc/default/ganeti"
    file.parent.mkdir(parents=True)
    file.write_text("RAPI_ARGS=\"--debug\n")
    assert f"{file} cannot be read: No closing quotation" in local_daemons.start_rapi(
        Paths(tmp_path))


@pytest.mark.parametrize(("text", "inherited", "found"), [
    ("", "", {}), ("", "2", {"GANETI_PATIENCE": "2"}),
    ("# GANETI_PATIENCE=4\n", "", {}), ("GANETI_PATIENCE=\"4\"\n", "2", {"GANETI_PATIENCE": "4"}),
])
def test_the_patience_of_daemons_stands_in_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, inherited: str,
    found: dict[str, str],
) -> None:
    monkeypatch.setenv("GANETI_PATIENCE", inherited)
    file = tmp_path / "etc/default/ganeti"
    file.parent.mkdir(parents=True)
    file.write_text(text)

    assert local_daemons.limits_of(Paths(tmp_path)) == found


def test_below_another_root_it_is_started_only_where_its_settings_are(tmp_path: Path) -> None:
    assert local_daemons.start_rapi(Paths(tmp_path)) == ""
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/default/ganeti").write_text("RAPI_ARGS=--no-ssl\n")

    assert "no cluster" in local_daemons.start_rapi(Paths(tmp_path))


@pytest.mark.parametrize("words", [
    ["--port", "0"], ["--port", "65536"], ["--port", "x"], ["--max-clients", "0"], ["--nosuch"]])
def test_wrong_options_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(words)


def settings(*words: str) -> Settings:
    return Settings.of(make_parser().parse_args(list(words)), Paths(Path("/nowhere")))


def test_options_become_settings() -> None:
    found = settings("-b", "127.9.9.9", "-p", "5081", "--no-ssl", "--require-authentication")

    assert (found.address, found.port, found.secure, found.strict) == (
        "127.9.9.9", 5081, False, True)
    assert str(found.certificate) == "/nowhere/var/lib/ganeti/rapi.pem"
    assert settings("-i", "lo").address == "127.0.0.1"


def test_an_interface_without_an_address_is_named() -> None:
    with pytest.raises(ConfigurationError, match="nosuch0"):
        address_of("nosuch0")


@pytest.mark.parametrize(("address", "family"), [
    ("127.0.0.1", socket.AF_INET), ("", None)])
def test_it_listens_on_one_address_or_on_all(address: str, family: int | None) -> None:
    with listen(Settings(address, 0, False, Path(), None, None, False, 1)) as sock:
        assert sock.getsockname()[1]
        assert family in (None, sock.family)


@pytest.mark.parametrize(("then", "error"), [("another", NotMaster), ("none", NotInCluster)])
def test_it_serves_until_its_files_say_that_another_node_is_the_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, error: type[Exception]
) -> None:
    """Not where they cannot be read: that says nothing, and is no reason to look no more."""
    monkeypatch.setattr(rapi, "ROLE_SECONDS", 0.01)
    paths = Paths(tmp_path)
    paths.make_directories()
    certs.write_node_identity(paths, "1-2-3", "node1.example.com", "127.0.0.1", 1)
    identity = identity_file(paths).read_text()
    named = paths.ssconf / "ssconf_master_node"

    async def watched() -> bool:
        stop = asyncio.Event()
        watching = asyncio.create_task(rapi._watch_role(paths, stop))
        for text in ("{", identity, "[]", identity):
            identity_file(paths).write_text(text)
            await asyncio.sleep(0.1)
            assert not watching.done()
        named.write_text("node1.example.com\n")
        await asyncio.sleep(0.1)
        assert not watching.done()
        if then == "another":
            named.write_text("node2.example.com\n")
        else:
            identity_file(paths).unlink()
        with pytest.raises(error):
            await asyncio.wait_for(watching, 60.0)
        return stop.is_set()

    assert asyncio.run(watched())


@pytest.mark.torture
def test_it_moves_with_the_master(make_cluster) -> None:  # type: ignore[no-untyped-def]
    cluster = make_cluster("--nodes", "3", "--hypervisor", "fake", "--with", "rapi")
    api = with_users(cluster)
    cluster.gnt("gnt-cluster", "redist-conf")
    wait_until(cluster.paths("node2").rapi_users.exists, "node 2 has the users")

    moved = cluster.on("node2", "gnt-cluster", "master-failover")

    assert moved.status == 0, moved
    wait_until(lambda: api.get("/2/info")["master"] == "node2.example.com",
               "the new master's answers")
    running = {name: node["daemons"] for name, node in cluster.status().items()}
    assert running["node2"]["ganeti-rapi"]["pid"]
    assert not Path(cluster.paths("node1").daemon_pid("ganeti-rapi")).exists()
