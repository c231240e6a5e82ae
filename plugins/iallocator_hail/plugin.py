"""The allocator as a plugin: answers the protocol's requests in the master's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl

from .errors import PlacementError
from .requirement import missing_library

if TYPE_CHECKING:
    from .engine import EngineOptions
    from .formats.instance_json import InstanceMemory

REQUESTS = frozenset({
    "allocate", "allocate-secondary", "change-group", "multi-allocate", "node-evacuate", "relocate",
})
PARAMETERS = {
    "type": "object",
    "properties": {
        "ignore-soft-errors": {
            "type": "null", "default": None,
            "description": "Flag: place instances although tags or states of nodes speak against"},
        "no-capacity-checks": {
            "type": "null", "default": None,
            "description": "Flag: place instances although the cluster could then not bear the "
                           "loss of a node"},
    },
}


class HailAllocator:
    """Puts instances where the cluster's score is best, with Ganeti's answers."""

    def __init__(self) -> None:
        if problem := missing_library():
            raise ImportError(problem)
        self._memory: InstanceMemory | None = None

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "Places instances where the balance of the cluster is best", PARAMETERS, REQUESTS,
            preference=100)

    @hookimpl
    def solve(
        self, ctx: HookContext, request: dict[str, Any], parameters: dict[str, Any]
    ) -> dict[str, Any]:
        # Imported when first asked: a master that never places need not hold the arrays' library.
        from .engine import answer
        from .formats.instance_json import InstanceMemory

        self._memory = self._memory or InstanceMemory()
        options = _options(request, parameters)
        try:
            return answer(request, options, self._memory)
        except PlacementError as exc:
            raise OpExecError(f"hail: {exc}") from exc

    @hookimpl
    def explain(
        self, ctx: HookContext, request: dict[str, Any], parameters: dict[str, Any]
    ) -> dict[str, Any]:
        from .explain import explain
        from .explained_text import as_text

        try:
            explanation = explain(request, _options(request, parameters))
            return explanation | {"text": as_text(explanation)}
        except PlacementError as exc:
            raise OpExecError(f"hail: {exc}") from exc


def _options(request: dict[str, Any], parameters: dict[str, Any]) -> EngineOptions:
    from .engine import EngineOptions
    from .search.allocate import AllocationRules

    # A cluster of one node has no redundancy to keep: asking for it would refuse everything.
    alone = len(request.get("nodes", ())) == 1
    return EngineOptions(rules=AllocationRules(
        soft="ignore-soft-errors" in parameters,
        capacity=not alone and "no-capacity-checks" not in parameters))
