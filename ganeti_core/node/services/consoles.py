"""Opening the console of a guest to a caller on the master."""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import console_door
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.processes import begin

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

NAME = "console"
START_SECONDS = 20.0
LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class OpenArgs:
    """Of ``console.open``: where the console is, as the hypervisor's driver has said."""

    path: str
    host: str
    port: int


def open_console(state: NodeState, args: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Return ``{"address", "port", "token"}``: where the console can be had, once, by TLS."""
    asked = decode(OpenArgs, args)
    ctx = state.world.context("consoles", "doors", {})
    # The file has the token; its name is nobody else's, so that doors do not meet.
    file = ctx.state / f"{secrets.token_hex(8)}.json"
    root = str(state.world.local.paths.root)
    begin(ctx, NAME, [sys.executable, "-m", console_door.__name__, root, str(file),
                      json.dumps(asdict(asked))])
    until = min(time.monotonic() + START_SECONDS, deadline)
    while time.monotonic() < until:
        try:
            offer: dict[str, Any] = json.loads(file.read_text())
        except FileNotFoundError:
            time.sleep(LOOK_SECONDS)
            continue
        file.unlink(missing_ok=True)
        return offer
    raise OpExecError(f"the door to the console did not open (see {ctx.logs / NAME}.log)")
