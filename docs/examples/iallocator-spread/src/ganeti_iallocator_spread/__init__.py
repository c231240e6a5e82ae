"""Allocator ``spread``: instances that share a tag are kept apart.

Of the nodes with room it takes those with the fewest instances that carry one of the new
instance's ``spread:...`` tags, then those with the most free memory.
"""

from typing import Any

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import hookimpl

PREFIX = "spread:"


def spread_tags(tags: list[str]) -> set[str]:
    return {tag for tag in tags if tag.startswith(PREFIX)}


def alike(document: dict[str, Any], name: str, node: str, tags: list[str]) -> int:
    """Count other instances on `node` that share a spread tag with the instance `name`."""
    return sum(1 for other, instance in document["instances"].items()
               if other != name and node in instance["nodes"]
               and spread_tags(instance["tags"]) & spread_tags(tags))


def has_room(node: dict[str, Any], memory: int, disk: int) -> bool:
    # Of a node that is offline nothing is known, not even how much memory it has.
    return (not node["offline"] and not node["drained"] and node["vm_capable"]
            and node["free_memory"] >= memory and node["free_disk"] >= disk)


class SpreadAllocator:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(
            api_version=0, title="Keeps instances with the same spread: tag apart",
            capabilities=frozenset({"allocate", "relocate"}))

    @hookimpl
    def solve(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["request"]
        if asked["type"] not in ("allocate", "relocate"):
            raise api.OpExecError(f"spread cannot answer requests of type {asked['type']}")
        ranked = self.rank(request)
        if len(ranked) < asked["required_nodes"]:
            return {"success": False, "result": [],
                    "info": f"{asked['required_nodes']} node(s) needed, room on {len(ranked)}"}
        chosen = ranked[:asked["required_nodes"]]
        return {"success": True, "info": "fewest alike, then most memory", "result": chosen}

    @hookimpl
    def explain(self, request: dict[str, Any]) -> dict[str, Any]:
        ranked = self.rank(request)
        return {name: f"place {ranked.index(name) + 1}" if name in ranked else "no room, or left"
                for name in request["nodes"]}

    def rank(self, request: dict[str, Any]) -> list[str]:
        """The nodes that could take the instance, best first."""
        asked = request["request"]
        name = asked["name"]
        wanted = asked if asked["type"] == "allocate" else request["instances"][name]
        left = set(asked.get("relocate_from", ()))
        # A node that stays the instance's own cannot be its new one as well.
        left |= set(request["instances"].get(name, {}).get("nodes", ()))
        fit = [node for node, facts in request["nodes"].items() if node not in left
               and has_room(facts, wanted["memory"], wanted["disk_space_total"])]
        return sorted(fit, key=lambda node: (
            alike(request, name, node, wanted["tags"]),
            -request["nodes"][node]["free_memory"], node))
