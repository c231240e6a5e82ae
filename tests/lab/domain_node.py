"""Call one hook of the driver xen-pvm on a machine of the lab; see `asked_by_json`.

The hook ``typed`` types a line at the domain's console instead.
"""

from __future__ import annotations

from typing import Any

from asked_by_json import answer
from domain_of_lab import INSTANCE, NAME, node, typed

from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import MigrationOffer, MigrationTarget, NodeRef
from ganeti_plugins.hv_xen import XenPvmHypervisor

TYPES = {"offer": MigrationOffer, "target": MigrationTarget, "node": NodeRef}


def call_hook(asked: dict[str, Any]) -> Any:
    hook: str = asked["hook"]
    arguments: dict[str, Any] = {
        name: codec.decode(TYPES[name], value) if name in TYPES else value
        for name, value in asked["arguments"].items()}
    if hook == "typed":
        return typed(("xl", "console", NAME), **arguments)
    return getattr(XenPvmHypervisor(), hook)(
        node(asked["address"], asked["node"]), INSTANCE, **arguments)


if __name__ == "__main__":
    answer(call_hook)
