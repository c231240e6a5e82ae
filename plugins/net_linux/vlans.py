"""A card's VLANs as Ganeti writes them: ``.10`` untagged, ``:20:30`` tagged, ``.10:20`` both."""

from __future__ import annotations


def untagged(vlan: str) -> str:
    """Return the one whose frames carry no tag on the card; empty for none."""
    return vlan.partition(":")[0].removeprefix(".")


def tagged(vlan: str) -> list[str]:
    """Return those whose frames are tagged on the card."""
    return [vid for vid in vlan.partition(":")[2].split(":") if vid]
