"""What a node is and has: versions, plugins with their API numbers, boot id, uptime."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.node.services.arguments import decode
from ganeti_core.rpc.certs import fingerprint_of

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
UPTIME = Path("/proc/uptime")


@dataclass(frozen=True)
class FactsArgs:
    """Of ``node.facts``; `settings` as of hook calls: they say where sources look for drivers."""

    settings: dict[str, Any] = field(default_factory=dict)


def facts(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer what the master must know before it plans for this node.

    ``kinds``: kind → driver → ``api``, ``capabilities``, ``state_version``, ``title``;
    ``plugins``: a row per plugin, broken ones included; ``uptime`` in seconds.
    """
    place = state.world.place
    state.world.refresh(decode(FactsArgs, args).settings)
    kinds: dict[str, dict[str, Any]] = {}
    for kind, driver, description in state.world.drivers():
        kinds.setdefault(kind.name, {})[driver] = {
            "api": description.api_version,
            "capabilities": sorted(description.capabilities),
            "state_version": description.state_version,
            "title": description.title,
        }
    return {
        **asdict(place.identity),
        "version": own_version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "boot_id": BOOT_ID.read_text().strip(),
        "uptime": float(UPTIME.read_text().split()[0]),
        "time": time.time(),
        "epoch": state.epochs.highest(),
        "fingerprint": fingerprint_of(place.paths.node_certificate),
        "kinds": kinds,
        "plugins": [asdict(row) for row in state.world.host.status()],
    }


def own_version() -> str:
    """The version of this very installation."""
    try:
        return version("ganeti-core")
    except PackageNotFoundError:
        return "unknown"
