"""A plugin written for API 0 of iallocators. Frozen: it loads as long as API 0 is accepted."""

from typing import Any

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest",
                           capabilities=frozenset({"allocate"}))

    @hookimpl
    def solve(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["request"]
        if asked["type"] != "allocate":
            raise OpExecError(f"oldest cannot answer requests of type {asked['type']}")
        ranked, needed = rank(request), asked["required_nodes"]
        if len(ranked) < needed:
            return {"success": False, "result": [],
                    "info": f"{needed} node(s) needed, room on {len(ranked)}"}
        return {"success": True, "info": "most free memory first", "result": ranked[:needed]}


def rank(request: dict[str, Any]) -> list[str]:
    """The nodes that could take the instance, best first."""
    asked = request["request"]
    fit = {name: node for name, node in request["nodes"].items()
           # Of a node that is offline nothing is known, not even how much memory it has.
           if not node["offline"] and not node["drained"] and node["vm_capable"]
           and node["free_memory"] >= asked["memory"]
           and node["free_disk"] >= asked["disk_space_total"]}
    return sorted(fit, key=lambda name: (-fit[name]["free_memory"], name))
