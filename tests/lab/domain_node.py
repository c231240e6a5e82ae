"""Call one hook of the driver xen-pvm on a machine of the lab: what a node daemon would do.

Its argument is a JSON document; it prints one: the result, or the error. The hook ``typed`` types
a line at the domain's console instead.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from domain_of_lab import INSTANCE, NAME, node, typed

from ganeti_core.errors import GanetiError
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import MigrationOffer, MigrationTarget, NodeRef
from ganeti_plugins.hv_xen import XenPvmHypervisor

TYPES = {"offer": MigrationOffer, "target": MigrationTarget, "node": NodeRef}


def main() -> None:
    asked = json.loads(sys.argv[1])
    hook: str = asked["hook"]
    arguments: dict[str, Any] = {
        name: codec.decode(TYPES[name], value) if name in TYPES else value
        for name, value in asked["arguments"].items()}
    try:
        if hook == "typed":
            result: Any = typed(("xl", "console", NAME), **arguments)
        else:
            result = getattr(XenPvmHypervisor(), hook)(
                node(asked["address"], asked["node"]), INSTANCE, **arguments)
    except GanetiError as exc:
        print(json.dumps({"error": exc.message}))
    else:
        print(json.dumps({"result": codec.encode(result)}))


if __name__ == "__main__":
    main()
