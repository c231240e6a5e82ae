"""Every listing and every ``info`` can be had as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml
from virtual_cluster import VirtualCluster

from ganeti_core.cli.tools import TOOLS

LISTS = [(program, name) for program, tool in TOOLS.items() for name in tool.commands
         if name in ("list", "list-fields", "list-debts", "plugins")]
INFOS = [("gnt-instance", "info", "--all"), ("gnt-node", "info"), ("gnt-group", "info"),
         ("gnt-cluster", "info"), ("gnt-job", "info", "1"), ("gnt-network", "info", "net1")]


def both(cluster: VirtualCluster, *words: str) -> Any:
    """What a command shows as JSON; as YAML it is the same."""
    tool, command, *rest = words
    data = json.loads(cluster.gnt(tool, command, "--format=json", *rest).stdout)
    assert yaml.safe_load(cluster.gnt(tool, command, "--format", "yaml", *rest).stdout) == data
    return data


@pytest.mark.parametrize("words", [*LISTS, ("gnt-plugin", "list")], ids=" ".join)
def test_listings_are_lists_of_records(cluster: VirtualCluster, words: tuple[str, str]) -> None:
    data = both(cluster, *words)
    assert isinstance(data, list)
    assert all(isinstance(record, dict) for record in data)
    assert data or words in {("gnt-instance", "list"), ("gnt-filter", "list"), ("gnt-os", "list"),
                             ("gnt-node", "list-debts"), ("gnt-backup", "list")}


def test_every_program_that_lists_is_asked() -> None:
    assert {program for program, _ in LISTS} >= TOOLS.keys() - {"gnt-debug", "gnt-storage"}


def test_values_are_the_masters(cluster: VirtualCluster) -> None:
    (node, *_) = both(cluster, "gnt-node", "list", "-o", "name,mtotal,tags,offline")
    assert node["name"] == "node1.example.com"
    assert isinstance(node["mtotal"], int)
    assert (node["tags"], node["offline"]) == ([], False)
    ran = cluster.try_("gnt-node", "list", "--format=json", "-o", "name,nonsense")
    assert ran.status == 14, ran
    assert json.loads(ran.stdout)[0]["nonsense"] is None


@pytest.fixture(scope="module", autouse=True)
def network(cluster: VirtualCluster) -> Iterator[None]:
    cluster.gnt("gnt-network", "add", "--network=192.0.2.0/24", "net1")
    yield
    cluster.gnt("gnt-network", "remove", "net1")


@pytest.mark.parametrize("words", INFOS, ids=" ".join)
def test_infos(cluster: VirtualCluster, words: tuple[str, ...]) -> None:
    data = both(cluster, *words)
    assert isinstance(data, dict if words[0] == "gnt-cluster" else list)
    if words[0] == "gnt-cluster":
        assert data["master"] == "node1.example.com"
    elif words[0] != "gnt-instance":
        assert data[0].keys() >= {"id" if words[0] == "gnt-job" else "name"}


def test_what_is_for_tables_is_refused(cluster: VirtualCluster) -> None:
    for option in ("--separator=|", "--no-headers", "--units=m"):
        ran = cluster.try_("gnt-node", "list", "--format=json", option)
        assert ran.status == 1, ran
        assert f"{option.partition('=')[0]} is for tables" in ran.stderr
    assert cluster.try_("gnt-node", "list", "--format=xml").status == 2


def test_the_commands_with_a_format_are_those_that_are_tested() -> None:
    with_format = {(program, name) for program, tool in TOOLS.items()
                   for name, entry in tool.commands.items()
                   if any("--format" in spec.names
                          for spec in import_module(entry.module).COMMANDS[name].options)}
    assert with_format == set(LISTS) | {info[:2] for info in INFOS}
