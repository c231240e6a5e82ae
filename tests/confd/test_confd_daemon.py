"""Real confds on a virtual cluster: answers from each node's own copy, with or without master."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.cli.confd import make_parser
from ganeti_core.daemons.vcluster.layout import Layout


@pytest.fixture(scope="module")
def watched(make_cluster: Callable[..., VirtualCluster]) -> Iterator[VirtualCluster]:
    return make_cluster("--nodes", "3", "--hypervisor", "fake", "--with", "confd")


def confd(cluster: VirtualCluster, *words: str) -> str:
    ran = cluster.on("node2", "gnt-confd", *words)
    assert ran.status == 0, ran
    return ran.stdout.strip()


def test_it_answers_from_the_copies_on_all_candidates(watched: VirtualCluster) -> None:
    layout = Layout.load(watched.root)
    addresses = sorted(node.address for node in layout.nodes)
    assert confd(watched, "ping") == "3000000"
    assert json.loads(confd(watched, "master"))["name"] == "node1.example.com"
    for address in addresses:
        wait_until(lambda one=address: sorted(
            confd(watched, "nodes", "--server", one).split()) == addresses, "all nodes are known")
    assert confd(watched, "node-role", "node2") == "candidate"
    assert json.loads(confd(watched, "collectors"))["cpu-avg-load"]["active"] is True


def test_a_change_is_answered_soon_and_without_the_master(watched: VirtualCluster) -> None:
    watched.gnt("gnt-cluster", "modify", "--data-collector-interval", "diskstats=7")
    wait_until(lambda: json.loads(confd(watched, "collectors"))["diskstats"]["interval"] == 7000000,
               "the new interval is answered")
    watched.tool("stop", "node1")
    assert confd(watched, "config", "/cluster/cluster_name") == "cluster.example.com"
    assert json.loads(confd(watched, "master", "--json"))[0] == "node1.example.com"
    watched.bring_back()


def test_all_nodes_get_a_new_key_and_use_it(watched: VirtualCluster) -> None:
    def keys() -> set[bytes]:
        return {(watched.paths(f"node{number}").data / "hmac.key").read_bytes()
                for number in (1, 2, 3)}

    before = keys()
    assert len(before) == 1
    watched.gnt("gnt-cluster", "renew-crypto", "-f", "--new-confd-hmac-key")
    assert len(keys()) == 1
    assert keys() != before
    wait_until(lambda: watched.on("node2", "gnt-confd", "ping", "--timeout", "2").status == 0,
               "confds answer to the new key")


def test_a_question_that_is_wrong_is_refused_by_name(watched: VirtualCluster) -> None:
    ran = watched.on("node3", "gnt-confd", "node-role", "nosuch")
    assert ran.status == 1
    assert ran.stderr.startswith("Failure: gnt-confd node-role nosuch: ")
    assert "Node name nosuch not found" in ran.stderr
    ran = watched.on("node3", "gnt-confd", "ping", "--server", "127.0.0.1", "--timeout", "0.2")
    assert "no confd has answered: 127.0.0.1" in ran.stderr
    ran = watched.on("node3", "gnt-confd", "ping", "--server", "nosuch.invalid")
    assert ran.status == 1
    assert "(nosuch.invalid) does not resolve" in ran.stderr
    ran = watched.on("node3", "gnt-confd", "ping", "--key", "/nosuch/key")
    assert ran.stderr == ("Failure: gnt-confd ping: /nosuch/key cannot be read: No such file or "
                          "directory\n")


def test_servers_may_be_given_by_name(watched: VirtualCluster) -> None:
    assert confd(watched, "ping", "--server", "node3.example.com") == "3000000"
    assert confd(watched, "ping", "--server", "node1") == "3000000"


@pytest.mark.parametrize(("option", "value"), [
    ("--port", "0"), ("--port", "99999"), ("--port", "x"), ("--timeout", "0"),
    ("--timeout", "-1"), ("--timeout", "nan"), ("--timeout", "inf"), ("--timeout", "x")])
def test_options_that_make_no_sense_are_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["ping", f"{option}={value}"])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


def test_a_damaged_or_missing_key_is_reported(watched: VirtualCluster) -> None:
    watched.tool("stop", "node3", "confd")
    key = watched.paths("node3").data / "hmac.key"
    content = key.read_bytes()
    key.unlink()
    ran = watched.on("node3", "ganeti-confd", "--foreground")
    key.write_bytes(content)
    assert ran.status == 1
    assert "--new-confd-hmac-key makes one" in ran.stderr
    watched.bring_back()
    assert watched.status()["node3"]["daemons"]["ganeti-confd"]["port"] == 1814
