"""Network interfaces of this node, as `ip` shows and changes them.

Asked over netlink and not read below /sys, which may show another network namespace than the one
that the node's daemon lives in.
"""

from __future__ import annotations

import json
from typing import Any

from ganeti_core.plugin_api import run_command

LIMIT = 10.0


def ip(*words: str) -> None:
    """Run `ip` with these arguments.

    :raises CommandFailed: it refused
    """
    run_command(["ip", *words], timeout=LIMIT)


def shown(*words: str) -> list[dict[str, Any]]:
    """Return what ``ip -j -d`` shows.

    :raises CommandFailed: it refused
    """
    text = run_command(["ip", "-j", "-d", *words], timeout=LIMIT).stdout
    # Where there is nothing to show, it prints nothing, or empty objects.
    return [item for item in json.loads(text or "[]") if item]


def interface(name: str) -> dict[str, Any] | None:
    """Return what is known of one interface; None when there is none of that name."""
    return next((item for item in shown("link", "show") if item.get("ifname") == name), None)


def ports(bridge: str) -> list[str]:
    """Return the names of the interfaces that are in a bridge."""
    return [str(item["ifname"]) for item in shown("link", "show", "master", bridge)]


def bridges() -> dict[str, bool]:
    """Return the bridges of this node, and whether each filters VLANs."""
    return {item["ifname"]: bool(item["linkinfo"].get("info_data", {}).get("vlan_filtering"))
            for item in shown("link", "show", "type", "bridge")}
