"""The conformance of instance allocators: `IallocatorContract`."""

from __future__ import annotations

import copy
import functools
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import NotSupported, OpExecError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.iallocator import IALLOCATORS, IallocatorSpec
from ganeti_core.plugin_api.kinds import Kind

from .allocation import REQUEST_TYPES, allocate, cluster_document, evacuate, relocate
from .base import PluginContract, at_once
from .calls import Calls
from .footprint import Footprint


class IallocatorContract(PluginContract):
    """Provide `driver`."""

    kind: ClassVar[Kind[Any]] = IALLOCATORS

    @pytest.fixture
    def allocator(self, calls: Calls[IallocatorSpec]) -> IallocatorSpec:
        return calls.of(IallocatorSpec)

    def test_the_request_types_that_it_promises_exist(self, description: Description) -> None:
        assert description.capabilities
        assert description.capabilities <= REQUEST_TYPES

    def test_an_instance_gets_a_node(
        self, allocator: IallocatorSpec, ctx: HookContext, description: Description
    ) -> None:
        request = allocate()
        answer = answered(allocator, ctx, description, request)
        if answer is None:
            return
        assert answer["success"], answer["info"]
        assert len(answer["result"]) == 1
        assert answer["result"][0] in request["nodes"]

    def test_no_room_is_an_answer(
        self, allocator: IallocatorSpec, ctx: HookContext, description: Description
    ) -> None:
        answer = answered(allocator, ctx, description, allocate(memory=2**24))
        if answer is not None:
            assert not answer["success"]
            assert answer["info"]

    def test_a_relocated_instance_goes_elsewhere(
        self, allocator: IallocatorSpec, ctx: HookContext, description: Description
    ) -> None:
        answer = answered(allocator, ctx, description, relocate())
        if answer and answer["success"]:  # an allocator may hold that there is no better place
            assert "node1.example.com" not in answer["result"]

    def test_an_evacuation_names_moved_failed_and_jobs(
        self, allocator: IallocatorSpec, ctx: HookContext, description: Description
    ) -> None:
        answer = answered(allocator, ctx, description, evacuate())
        if answer is None:
            return
        assert answer["success"], answer["info"]
        moved, failed, jobs = answer["result"]
        assert {entry[0] for entry in (*moved, *failed)} == {"inst1.example.com"}
        assert all("OP_ID" in opcode for job in jobs for opcode in job)

    def test_an_unknown_request_is_no_success(
        self, allocator: IallocatorSpec, ctx: HookContext
    ) -> None:
        assert_refused(allocator, ctx, cluster_document({"type": "no-such-request"}))

    def test_solving_changes_neither_request_nor_node(
        self, driver: object, ctx: HookContext, footprint: Footprint
    ) -> None:
        request = allocate()
        given = copy.deepcopy(request)
        # What passes the wire is a copy, which could be changed unseen.
        direct = Calls.to(self.kind, driver, "direct")
        solved(direct.of(IallocatorSpec), ctx, request)
        assert request == given
        footprint.assert_unchanged()

    def test_two_can_ask_at_once(self, allocator: IallocatorSpec, ctx: HookContext) -> None:
        ask = functools.partial(solved, allocator, ctx, allocate())
        assert len({answer["success"] for answer in at_once(ask, ask)}) == 1

    def test_an_explanation_speaks_of_every_node(
        self, calls: Calls[IallocatorSpec], allocator: IallocatorSpec, ctx: HookContext
    ) -> None:
        request = allocate()
        if "explain" not in calls.hooks:
            with pytest.raises(NotSupported):
                allocator.explain(ctx=ctx, request=request, parameters={})
            return
        told = str(allocator.explain(ctx=ctx, request=request, parameters={}))
        assert all(node in told for node in request["nodes"])


def solved(
    allocator: IallocatorSpec, ctx: HookContext, request: dict[str, Any]
) -> dict[str, Any]:
    """Ask, and check the form of the answer."""
    answer = allocator.solve(ctx=ctx, request=request, parameters={})
    assert isinstance(answer["success"], bool)
    assert isinstance(answer["info"], str)
    assert "result" in answer
    return answer


def answered(
    allocator: IallocatorSpec, ctx: HookContext, description: Description,
    request: dict[str, Any],
) -> dict[str, Any] | None:
    """Ask; None for what the allocator does not promise, which it must then refuse."""
    if request["request"]["type"] in description.capabilities:
        return solved(allocator, ctx, request)
    assert_refused(allocator, ctx, request)
    return None


def assert_refused(
    allocator: IallocatorSpec, ctx: HookContext, request: dict[str, Any]
) -> None:
    """Ask what cannot be answered: an error says so, or an answer without success."""
    try:
        answer = solved(allocator, ctx, request)
    except OpExecError:
        return
    assert not answer["success"]
