"""The conformance of disk templates whose disks have copies on other nodes: `MirrorContract`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, DiskSpec, DiskStatus, NodeRef
from ganeti_core.plugin_api.disk import GROWABLE, MIRRORED, WRAPS, DiskTemplateSpec, WrapSpec
from ganeti_core.plugin_api.disk_steps import Verb

from .calls import Calls
from .disk import NODES, DiskTemplateContract, plain_child_steps, read_mark, write_mark
from .promises import not_promised

PATIENCE = 30.0
"""Seconds in which a small disk must have been copied."""
FIRST, SECOND = NODES
OTHER_MARK = b"what came later there"

Work = Callable[..., Any]


class MirrorContract(DiskTemplateContract):
    """Provide, besides, `contexts`: the two nodes, as they reach each other.

    Steps are carried out as the core does it, each on its node. What is asked of one device alone
    is asked of one that no other node holds.
    """

    @pytest.fixture
    def disk(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        return _alone(lay_out(0))

    @pytest.fixture
    def other_disk(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        return _alone(lay_out(1))

    @pytest.fixture
    def lose(self) -> Callable[[NodeRef], None]:
        """Let a node be gone from one moment to the next, for the other one.

        By default nothing happens: as where nodes learn of each other only by hooks.
        """
        return lambda node: None

    @pytest.fixture
    def contexts(self) -> Mapping[str, HookContext]:
        """The context of each of `NODES`, by its uuid."""
        raise NotImplementedError("provide a fixture `contexts`")

    @pytest.fixture
    def ctx(self, contexts: Mapping[str, HookContext]) -> HookContext:
        return contexts[FIRST.uuid]

    @pytest.fixture
    def pair(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        """A disk of both nodes, as the master sees it."""
        return lay_out(0)

    @pytest.fixture
    def stale(self) -> set[str]:
        """The nodes (uuids) that were left out when the disk began to be written to.

        The core keeps that with the disk, until it sees that both copies are whole.
        """
        return set()

    @pytest.fixture
    def work(
        self, template: DiskTemplateSpec, contexts: Mapping[str, HookContext], pair: DiskSpec,
        stale: set[str],
    ) -> Work:
        """Carries a verb out for `pair`; returns what the last hook about it returned."""

        def carry_out(verb: Verb, *nodes: NodeRef, disk: DiskSpec = pair, **arguments: Any) -> Any:
            if verb in ("open", "promote") and (
                    arguments.get("force") or nodes[0].uuid not in stale):
                stale.update(node.uuid for node in NODES if node not in nodes)
            result: Any = None
            for step in template.steps(verb=verb, disk=replace(disk, stale=tuple(sorted(stale))),
                                       nodes=nodes, arguments=arguments,
                                       child_steps=plain_child_steps):
                given = {"disk": step.disk, **step.arguments}
                if step.disk.template != pair.template:
                    contexts[step.node].driver(
                        self.kind.name, step.disk.template, step.hook, **given)
                else:
                    result = getattr(template, step.hook)(ctx=contexts[step.node], **given)
            return result

        return carry_out

    @pytest.fixture
    def state(
        self, template: DiskTemplateSpec, contexts: Mapping[str, HookContext], pair: DiskSpec,
        stale: set[str],
    ) -> Callable[[NodeRef], DiskStatus]:
        """How the disk is, as a node sees it."""

        def ask(node: NodeRef) -> DiskStatus:
            seen = replace(pair, stale=tuple(sorted(stale))).on(node.uuid)
            status = template.status(ctx=contexts[node.uuid], disk=seen)
            if status.is_open and status.local == "ok" and not status.degraded:
                stale.clear()
            return status

        return ask

    @pytest.fixture
    def in_sync(
        self, work: Work, state: Callable[[NodeRef], DiskStatus], pair: DiskSpec
    ) -> str:
        """The path of a disk that was made, opened, written to and synchronized."""
        work("create", *NODES)
        path: str = work("open", *NODES).path
        write_mark(path)
        # Copied with the mark in it, whatever had been copied before.
        work("close", *NODES)
        path = work("open", *NODES).path
        until(lambda: whole(state))
        return path

    def test_it_says_how_many_nodes_it_needs(self, description: Description) -> None:
        assert description.nodes == len(NODES)
        assert MIRRORED in description.capabilities

    def test_a_new_disk_gets_into_sync(
        self, work: Work, state: Callable[[NodeRef], DiskStatus]
    ) -> None:
        work("create", *NODES)
        work("open", *NODES)
        until(lambda: whole(state))
        for node in NODES:
            found = state(node)
            assert (found.exists, found.degraded, found.local) == (True, False, "ok")
        work("remove", *NODES)
        assert not any(state(node).exists for node in NODES)

    def test_a_copy_can_be_promoted_when_its_partner_is_lost(
        self, work: Work, in_sync: str, lose: Callable[[NodeRef], None]
    ) -> None:
        assert in_sync
        lose(FIRST)
        path = work("promote", SECOND, force=False).path
        assert read_mark(path) == b"what the guest wrote"

    def test_a_node_that_missed_something_is_not_promoted(
        self, work: Work, in_sync: str, state: Callable[[NodeRef], DiskStatus]
    ) -> None:
        work("close", *NODES)
        write_mark(work("open", FIRST).path, OTHER_MARK)
        assert state(SECOND).local != "ok"
        assert state(FIRST).degraded
        work("close", FIRST)
        with pytest.raises(BlockDeviceError):
            work("promote", SECOND, force=False)
        assert Path(work("promote", SECOND, force=True).path).exists()

    def test_a_copy_that_was_behind_catches_up(
        self, work: Work, in_sync: str, state: Callable[[NodeRef], DiskStatus]
    ) -> None:
        work("close", *NODES)
        write_mark(work("open", FIRST).path, OTHER_MARK)
        work("open", *NODES)
        until(lambda: whole(state))
        work("close", *NODES)
        path = work("promote", SECOND, force=False).path
        with Path(path).open("rb") as device:
            assert device.read(len(OTHER_MARK)) == OTHER_MARK

    def test_both_use_it_only_while_it_is_shared(
        self, work: Work, in_sync: str, state: Callable[[NodeRef], DiskStatus], pair: DiskSpec
    ) -> None:
        assert Path(work("share", *NODES).path).exists()
        work("demote", FIRST)
        for node in NODES:
            assert state(node).local == "ok"

    def test_a_copy_in_use_can_be_made_anew(
        self, calls: Calls[Any], work: Work, in_sync: str, pair: DiskSpec,
        contexts: Mapping[str, HookContext], state: Callable[[NodeRef], DiskStatus],
    ) -> None:
        if "renew" not in calls.hooks:
            not_promised("renew")
        for _ in range(2):
            calls.call("renew", {"ctx": contexts[FIRST.uuid], "disk": pair.on(FIRST.uuid)})
        path = work("open", *NODES).path
        until(lambda: whole(state))
        assert read_mark(path) == b"what the guest wrote"

    def test_growing_keeps_it_in_sync(
        self, work: Work, in_sync: str, state: Callable[[NodeRef], DiskStatus], pair: DiskSpec,
        description: Description,
    ) -> None:
        if GROWABLE not in description.capabilities:
            not_promised(GROWABLE)
        for _ in range(2):
            work("grow", *NODES, size=2 * pair.size)
        until(lambda: whole(state))
        assert {state(node).size for node in NODES} == {2 * pair.size}


    def test_a_device_becomes_part_of_a_disk_and_stays_behind_again(
        self, calls: Calls[Any], work: Work, description: Description, pair: DiskSpec,
        contexts: Mapping[str, HookContext], state: Callable[[NodeRef], DiskStatus],
    ) -> None:
        if WRAPS not in description.capabilities:
            not_promised(WRAPS)
        wraps: WrapSpec = calls.of(WrapSpec)
        assert wraps.around(disk=pair, device=pair) is None
        [device] = [replace(child, nodes=(FIRST,)).on(FIRST.uuid)
                    for at, child in enumerate(pair.children)
                    if wraps.around(disk=pair, device=child) == at]

        def there(hook: str, **arguments: Any) -> Any:
            return contexts[FIRST.uuid].driver(
                self.kind.name, device.template, hook, disk=device, **arguments)

        there("create")
        write_mark(there("open", exclusive=True).path)
        there("close")
        for _ in range(2):
            work("wrap", *NODES)
        path = work("open", *NODES).path
        assert read_mark(path) == b"what the guest wrote"
        until(lambda: whole(state))
        work("close", *NODES)
        for _ in range(2):
            work("unwrap", *NODES)
        assert not any(state(node).exists for node in NODES)
        assert read_mark(there("open", exclusive=True).path) == b"what the guest wrote"
        there("close")
        there("remove")


def _alone(disk: DiskSpec) -> DiskSpec:
    return replace(disk, nodes=(FIRST,)).on(FIRST.uuid)


def whole(state: Callable[[NodeRef], DiskStatus]) -> bool:
    return all(state(node).local == "ok" and not state(node).degraded for node in NODES)


def until(reached: Callable[[], bool]) -> None:
    """Wait for a state that has to come."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, "it did not come into sync"
        time.sleep(0.02)
