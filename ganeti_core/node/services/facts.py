"""What a node is and has: versions, plugins with their API numbers, boot id, uptime."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.extstorage import EXTSTORAGE
from ganeti_core.rpc.tls import fingerprint_of

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.plugin_api.data import Description
    from ganeti_core.plugin_api.kinds import Kind

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
UPTIME = Path("/proc/uptime")


@dataclass(frozen=True)
class FactsArgs:
    """Of ``node.facts``.

    :param settings: as of hook calls, they say where sources look for drivers, which then happens
        at once; only a master candidate's reach this node (see `node.service`)
    """

    settings: dict[str, Any] | None = None


def facts(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return what the master must know before it plans for this node.

    ``apis``: the API version that this node speaks, by kind;
    ``kinds``: kind → driver → ``api``, ``capabilities``, ``state_version``, ``title``, and
    ``options`` (pairs of a name and what it means) of ExtStorage providers, which the master may
    have otherwise;
    ``plugins``: a row per plugin, broken ones included; ``uptime`` in seconds; ``alarms``: what
    data collectors report as bad, by their names.
    """
    local = state.world.local
    settings = decode(FactsArgs, args).settings
    if settings is not None:
        state.world.refresh(settings)
    kinds: dict[str, dict[str, Any]] = {}
    for kind, driver, description in state.world.drivers():
        kinds.setdefault(kind.name, {})[driver] = _driver(kind, description)
    return {
        **asdict(local.identity),
        "version": own_version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "boot_id": BOOT_ID.read_text().strip(),
        "uptime": float(UPTIME.read_text().split()[0]),
        "time": time.time(),
        "epoch": state.epochs.highest(),
        "fingerprint": fingerprint_of(local.paths.node_certificate),
        "apis": {kind.name: kind.api for kind in KINDS.values()},
        "kinds": kinds,
        "plugins": [vars(row) for row in state.world.host.status()],
        "alarms": state.collecting.alarms(),
    }


def _driver(kind: Kind[Any], description: Description) -> dict[str, Any]:
    found: dict[str, Any] = {
        "api": description.api_version,
        "capabilities": sorted(description.capabilities),
        "state_version": description.state_version,
        "title": description.title,
    }
    if kind is EXTSTORAGE:
        properties = description.parameters.get("properties", {})
        found["options"] = [[name, str(schema.get("description", ""))]
                            for name, schema in properties.items()]
    return found


@cache
def own_version() -> str:
    """The version of this very program: what is installed later runs from its next start on."""
    try:
        return version("ganeti-core")
    except PackageNotFoundError:
        return "unknown"
