"""What allocators are told of memory while guests begin."""

from __future__ import annotations

import pytest

from ganeti_core.config.reservations import Reservations, Resources
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.operations.placement.node_document import NodeView
from ganeti_core.plugin_api.data import HostFacts, RunningInstance
from ganeti_core.query.live import NodeLive, host_facts, running

BEFORE = HostFacts(8192, 8192, 0, 4)
"""What a node said of its memory before the guest began."""
AFTER = HostFacts(8192, 3192, 0, 4)
GUEST = RunningInstance("a.example.com", "u", "running", 5000, 1)


def free(snapshot: Snapshot, facts: HostFacts, guests: list[RunningInstance], *,
         held: bool, known: bool) -> int:
    """How much is free for others, where the guest's job may still hold its room, and the guest
    may be in the configuration."""
    node = next(iter(snapshot.nodes.values()))
    reservations = Reservations(lambda: snapshot)
    if held:
        reservations.hold_resources(GUEST.name, {node.uuid: Resources(5000)}, "its job")
    found = NodeView(
        snapshot.cluster, snapshot.groups[node.group], node, available=True, lacks="",
        live=NodeLive({host_facts("fake"): facts, running("fake"): guests}),
        primaries={GUEST.name: {"memory": 5000, "admin_state": "up"}} if known else {},
        reserved=reservations.reserved_before("mine"), shared=frozenset(), storage=None,
        default=None).document()
    return int(found["free_memory"])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("facts", [BEFORE, AFTER])
@pytest.mark.parametrize("guests", [[], [GUEST]])
def test_room_of_a_guest_that_begins_is_never_free(snapshot, known, facts, guests):
    """In whichever order the node spoke of its memory and of its guests."""
    assert free(snapshot, facts, guests, held=True, known=known) <= 3192


def test_a_guest_that_has_begun_is_counted_once(snapshot):
    assert free(snapshot, AFTER, [GUEST], held=False, known=True) == 3192


def test_a_guest_that_does_not_run_though_it_should_has_its_room(snapshot):
    assert free(snapshot, BEFORE, [], held=False, known=True) == 3192
