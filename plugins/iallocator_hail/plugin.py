"""The allocator as a plugin: answers the protocol's requests in the master's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl

from .errors import PlacementError

if TYPE_CHECKING:
    from .formats.instance_json import InstanceMemory

REQUESTS = frozenset({
    "allocate", "allocate-secondary", "change-group", "multi-allocate", "node-evacuate", "relocate",
})


class HailAllocator:
    """Puts instances where the cluster's score is best, with the peer's answers."""

    def __init__(self) -> None:
        self._memory: InstanceMemory | None = None

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "Places instances where the balance of the cluster is best", capabilities=REQUESTS)

    @hookimpl
    def solve(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        # Imported when first asked: a master that never places need not hold the arrays' library.
        from .engine import EngineOptions, answer
        from .formats.instance_json import InstanceMemory
        from .search.allocate import AllocationRules

        self._memory = self._memory or InstanceMemory()

        # A cluster of one node has no redundancy to keep: asking for it would refuse everything.
        alone = len(request.get("nodes", ())) == 1
        options = EngineOptions(rules=AllocationRules(capacity=not alone))
        try:
            return answer(request, options, self._memory)
        except PlacementError as exc:
            raise OpExecError(f"hail: {exc}") from exc

    @hookimpl
    def explain(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        from .explain import as_text, explain

        try:
            explanation = explain(request)
            return explanation | {"text": as_text(explanation)}
        except PlacementError as exc:
            raise OpExecError(f"hail: {exc}") from exc
