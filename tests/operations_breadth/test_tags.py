"""Tags of every kind of object: set, removed, found, and refused."""

from __future__ import annotations

import pytest
from jobs import do, instance, refused, submit
from virtual_cluster import VirtualCluster

KINDS = {"cluster": "", "node": "node2.example.com", "nodegroup": "default"}


@pytest.mark.parametrize("kind", KINDS)
def test_tags_come_and_go(cluster: VirtualCluster, kind: str) -> None:
    name = KINDS[kind]
    do(cluster, "OP_TAGS_SET", kind=kind, name=name, tags=["web", "env:lab", "web"])
    assert do(cluster, "OP_TAGS_GET", kind=kind, name=name) == ["env:lab", "web"]
    do(cluster, "OP_TAGS_DEL", kind=kind, name=name, tags=["web"])
    do(cluster, "OP_TAGS_DEL", kind=kind, name=name, tags=["env:lab"])
    assert do(cluster, "OP_TAGS_GET", kind=kind, name=name) == []


def test_search_tells_where_each_tag_is(cluster: VirtualCluster) -> None:
    do(cluster, "OP_TAGS_SET", kind="cluster", tags=["rack:0"])
    do(cluster, "OP_TAGS_SET", kind="node", name="node1", tags=["rack:a", "other"])
    do(cluster, "OP_TAGS_SET", kind="nodegroup", name="default", tags=["rack:g"])
    with instance(cluster, "tagged.example.com", tags=["rack:i"]) as name:
        found = do(cluster, "OP_TAGS_SEARCH", pattern="^rack:")
        assert found == [["/cluster", "rack:0"], [f"/instances/{name}", "rack:i"],
                         ["/nodes/node1.example.com", "rack:a"], ["/nodegroup/default", "rack:g"]]
    do(cluster, "OP_TAGS_DEL", kind="cluster", tags=["rack:0"])
    do(cluster, "OP_TAGS_DEL", kind="node", name="node1", tags=["rack:a", "other"])
    do(cluster, "OP_TAGS_DEL", kind="nodegroup", name="default", tags=["rack:g"])


def test_cluster_tags_reach_the_files_of_every_node(cluster: VirtualCluster) -> None:
    do(cluster, "OP_TAGS_SET", kind="cluster", tags=["spread"])
    for node in ("node1", "node2", "node3"):
        files = list(cluster.paths(node).root.rglob("ssconf_cluster_tags"))
        assert [file.read_text().strip() for file in files] == ["spread"]
    do(cluster, "OP_TAGS_DEL", kind="cluster", tags=["spread"])


@pytest.mark.parametrize(("tag", "text"), [
    ("a b", "Tag contains invalid characters"), ("", "Tags can't be empty"),
    ("x" * 129, "Tag too long (>128 characters)"), ("caf\u00e9", "Tag contains invalid characters"),
    ("line\n", "Tag contains invalid characters"),
])
def test_what_no_tag_can_be(cluster: VirtualCluster, tag: str, text: str) -> None:
    refused(cluster, "OP_TAGS_SET", text, None, error="TagError", kind="cluster",
            tags=["good", tag])


def test_too_many_tags(cluster: VirtualCluster) -> None:
    tags = [f"t{at}" for at in range(4097)]
    ended = submit(cluster, {"OP_ID": "OP_TAGS_SET", "kind": "node", "name": "node1",
                             "tags": tags})
    assert ended.error[0] == "TagError"
    assert do(cluster, "OP_TAGS_GET", kind="node", name="node1") == []


def test_missing_tags_and_objects(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_TAGS_DEL", "Tag(s) 'nosuch' not found", "unknown_entity",
            kind="cluster", tags=["nosuch"])
    ended = submit(cluster, {"OP_ID": "OP_TAGS_SET", "kind": "node", "name": "nosuch",
                             "tags": ["x"]})
    assert ended.error == ("OpPrereqError", "Node name nosuch not found", "unknown_entity")


def test_search_refuses_broken_and_costly_patterns(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_TAGS_SEARCH", "Invalid search pattern '(': missing ), unterminated "
            "subpattern at position 0", "wrong_input", pattern="(")
    refused(cluster, "OP_TAGS_SEARCH", "Invalid search pattern", "wrong_input",
            pattern=r"(a)\1")


def test_dry_run_changes_nothing(cluster: VirtualCluster) -> None:
    ended = submit(cluster, {"OP_ID": "OP_TAGS_SET", "kind": "cluster", "tags": ["dry"],
                             "dry_run": True})
    assert ended.status == "success"
    assert do(cluster, "OP_TAGS_GET", kind="cluster") == []


@pytest.mark.parametrize("pattern", ["(", "(" * 2000, "a{99999999999999999999}"],
                         ids=["open", "deep", "often"])
def test_patterns_that_are_none_are_refused(cluster: VirtualCluster, pattern: str) -> None:
    ended = submit(cluster, {"OP_ID": "OP_TAGS_SEARCH", "pattern": pattern})
    assert ended.error[0] == "OpPrereqError"
    assert ended.error[1].startswith("Invalid search pattern")
