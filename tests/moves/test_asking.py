"""What jobs make of allocators' answers, and of the parameters that the administrator set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crowd import NO_NETWORK, all_at_once, homes
from third_party import install, present
from virtual_cluster import Ran, VirtualCluster

WRONG = Path(__file__).parent.parent / "allocators/wrong/wrong_allocator.py"


@pytest.fixture(scope="module")
def three_nodes(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> VirtualCluster:
    """A cluster with an allocator of a third party that answers as its request's name says."""
    folder = tmp_path_factory.mktemp("wrong")
    install(folder, "ganeti-wrong", {"iallocators:wrong": "WrongAllocator"}, WRONG.read_text())
    with present(folder):
        return make_cluster("--nodes", "3", "--hypervisor", "fake")


@pytest.fixture
def cluster(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    yield three_nodes
    for (name,) in three_nodes.instances("name"):
        three_nodes.gnt("gnt-instance", "remove", "-f", name)


def try_add(cluster: VirtualCluster, name: str, *options: str) -> Ran:
    return cluster.try_("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop",
                        "-B", "memory=128M", *NO_NETWORK, *options, f"{name}.example.com")


def test_what_an_allocator_says_is_in_the_log(cluster):
    added = try_add(cluster, "third", "-I", "wrong")
    assert added.status == 0, added
    assert "INFO: iallocator wrong: the third is best" in added.stdout
    assert homes(cluster) == {"third": "node3"}


@pytest.mark.parametrize(("name", "said"), [
    ("nothing", "plugin iallocators wrong: solve: TypeError: it returned None"),
    ("list", "plugin iallocators wrong: solve: TypeError: it returned [1, 2]"),
    ("shapeless", "iallocator 'wrong' gave an answer of the wrong form, which must have success"),
    ("stranger", "iallocator 'wrong' chose node 'nosuch.example.com', which is no node of this"),
    ("raise", "wrong"),
])
def test_an_answer_that_makes_no_sense_is_told_with_its_allocator(cluster, name, said):
    refused = try_add(cluster, name, "-I", "wrong")
    assert refused.status == 1
    assert said in refused.stderr


def test_an_allocator_is_not_asked_what_it_does_not_promise(cluster):
    assert try_add(cluster, "third", "-I", "wrong").status == 0
    [job] = all_at_once(cluster, {"OP_ID": "OP_NODE_EVACUATE", "node_name": "node3",
                                  "mode": "primary-only", "iallocator": "wrong"})
    assert job.error == ("iallocator 'wrong' does not answer requests of the type "
                         "'node-evacuate'; it answers: allocate")


def test_an_allocator_that_is_not_used_says_why(cluster):
    cluster.gnt("gnt-plugin", "disable", "iallocators:wrong")
    try:
        refused = try_add(cluster, "a", "-I", "wrong")
        assert refused.status == 1
        assert "iallocator 'wrong' cannot be used: " in refused.stderr
        assert "gnt-plugin enable iallocators:wrong" in refused.stderr
    finally:
        cluster.gnt("gnt-plugin", "enable", "iallocators:wrong")


def test_parameters_of_the_default_allocator_are_used_for_allocations(cluster):
    cluster.gnt("gnt-cluster", "add-tags", "htools:iextags:web")
    for number in range(3):
        assert try_add(cluster, f"web{number}", "--tags", "web:dns").status == 0
    assert "FailTags: 3" in try_add(cluster, "web3", "--tags", "web:dns").stderr
    cluster.gnt("gnt-cluster", "modify", "--default-iallocator-params=-ignore-soft-errors")
    try:
        assert try_add(cluster, "web3", "--tags", "web:dns").status == 0
    finally:
        cluster.gnt("gnt-cluster", "modify", "--default-iallocator-params=")
        cluster.gnt("gnt-cluster", "remove-tags", "htools:iextags:web")


def test_parameters_that_the_default_allocator_does_not_know_are_refused(cluster):
    refused = cluster.try_("gnt-cluster", "modify", "--default-iallocator-params=nosuch=1")
    assert refused.status == 1
    assert "Unknown parameter 'nosuch' for the iallocator hail" in refused.stderr
    refused = cluster.try_(
        "gnt-cluster", "modify", "--default-iallocator-params=no-capacity-checks=1")
    assert "Invalid value for 'no-capacity-checks' of the iallocator hail" in refused.stderr


def test_a_program_is_found_at_once_and_gets_the_parameters(cluster):
    program = cluster.paths().root / "usr/lib/ganeti/iallocators/late"
    program.parent.mkdir(parents=True, exist_ok=True)
    assert "'late' not found in the search path" in try_add(cluster, "a", "-I", "late").stderr
    program.write_text("""#!/bin/sh
shift; printf '{"success": true, "info": "got %s", "result": ["node2.example.com"]}' "$*"
""")
    program.chmod(0o755)
    added = try_add(cluster, "a", "-I", "late")
    assert added.status == 0, added
    assert "iallocator late: got\n" in added.stdout
    cluster.gnt("gnt-cluster", "modify", "--default-iallocator=late",
                "--default-iallocator-params=-fast,depth=3")
    try:
        added = try_add(cluster, "b")
        assert added.status == 0, added
        assert "iallocator late: got --fast --depth=3" in added.stdout
    finally:
        cluster.gnt("gnt-cluster", "modify", "--default-iallocator=hail",
                    "--default-iallocator-params=")
        program.unlink()
