"""A stand-in for Ceph's cluster, and nodes that reach it; see `fake_rbd`."""

from __future__ import annotations

from pathlib import Path

import fake_rbd
import stand_in


def install(root: Path, folder: Path) -> None:
    """Give the node below `root` a program rbd that reaches the cluster in `folder`."""
    (root / "dev").mkdir(parents=True, exist_ok=True)
    stand_in.install(root / "usr/bin/rbd", fake_rbd, str(folder), str(root))


def images(folder: Path) -> list[str]:
    """The images and snapshots that there are."""
    with fake_rbd.World(str(folder)) as world:
        return sorted(
            spec for pool, found in world.state["pools"].items() for name, image in found.items()
            for spec in (f"{pool}/{name}", *(f"{pool}/{name}@{one}" for one in image["snaps"])))
