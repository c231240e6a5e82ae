"""What has to be the same on all nodes of a group is compared, and reported as its code says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.model import Cluster, Node, NodeGroup
from ganeti_core.operations.cluster.findings import Findings
from ganeti_core.operations.cluster.verify_agreements import verify_agreements
from ganeti_core.operations.cluster.verify_gather import GroupFacts
from ganeti_core.plugin_api.node_findings import Agreement
from ganeti_core.query.live import NodeLive, Question

QUESTION = Question("disk_templates", "some", "agreements")
GROUP = NodeGroup(uuid="g", name="default", ndparams={"exclusive_storage": True})
NODES = [Node(uuid=f"n{number}", name=f"node{number}", group="g", primary_ip=f"198.51.100.{number}",
              ndparams={"exclusive_storage": False} if number == 3 else {})
         for number in (1, 2, 3)]
SNAPSHOT = Snapshot(objects={
    "cluster": {"c": Cluster(uuid="c", name="c", master_node="n1")}, "nodegroup": {"g": GROUP},
    "node": {node.uuid: node for node in NODES}})


def reported(*answers: list[Agreement]) -> list[str]:
    """What is reported of the nodes, where each gives such an answer."""
    lines: list[str] = []
    findings = Findings(SimpleNamespace(feedback=lines.append), True, frozenset())
    facts = GroupFacts(GROUP, NODES, [], {}, {
        node.uuid: NodeLive({QUESTION: answer})
        for node, answer in zip(NODES, answers, strict=False)}, {}, {}, {})
    verify_agreements(SimpleNamespace(snapshot=SNAPSHOT), findings, facts)
    return lines


def size(value: float, **more: bool) -> Agreement:
    return Agreement("size of disks", value, "EGROUPDIFFERENTPVSIZE", margin=0.01, **more)


@pytest.mark.parametrize("answers", [
    ([size(1000)], [size(1005)], [size(1010)]),
    ([size(1000)], [], [size(1000)]),
    ([Agreement("version", "8.4", "ENODEDRBDVERSION")], [Agreement("other", "9", "ENODEDRBD")]),
    ([size(1000, exclusive=True)], [size(1000, exclusive=True)], [size(2000, exclusive=True)]),
])
def test_what_agrees_is_not_reported(answers: tuple[list[Agreement], ...]) -> None:
    assert reported(*answers) == []


def test_what_is_about_a_group_is_reported_once() -> None:
    assert reported([size(1000), size(1011, broken=True)], [size(900, broken=True)]) == [
        "  - WARNING:EGROUPDIFFERENTPVSIZE:group:default:"
        "size of disks differs: 900 on node node2, 1011 on node node1"]
    assert reported([size(1, broken=True)], [size(2, broken=True)])[0].startswith("  - ERROR:")


def test_what_is_about_nodes_is_reported_for_each() -> None:
    version, other = (Agreement("version", text, "ENODEDRBDVERSION") for text in ("8", "9"))
    assert reported([version], [other]) == [
        f"  - WARNING:ENODEDRBDVERSION:node:node{number}:version is {text} here, and not the same "
        "on all nodes of the group (8 on node1, 9 on node2)" for number, text in ((1, 8), (2, 9))]


def test_a_code_that_there_is_not_becomes_that_of_drivers() -> None:
    [first, _] = reported(*([Agreement("x", text, "EMINE")] for text in "ab"))
    assert first.startswith("  - WARNING:ENODESETUP:node:node1:x is a here")
