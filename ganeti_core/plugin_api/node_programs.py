"""Processes of a plugin that have this node's end of streams, and outlive the hook.

Such a process has the node's certificates, as `plugin_api.transfer` uses them, in the contexts of
`HookContext.endpoint`; how it is kept and found is for `plugin_api.processes`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import HookContext

PART = "program"


def program(ctx: HookContext, function: str, argument: str) -> list[str]:
    """Return the words that call a function, ``MODULE:NAME``, in a process of its own.

    It is called with a context that has the node, its root, the folders of this driver and
    `endpoint`, and with `argument`, which everybody on the node can read.

    :raises NotSupported: this is no node's hook
    """
    return [*ctx.endpoint().program, json.dumps({
        "part": PART, "function": function, "argument": argument, "state": str(ctx.state),
        "keep": str(ctx.keep)})]
