"""A stand-in for Ceph's cluster, and nodes that reach it; see `fake_rbd`."""

from __future__ import annotations

import sys
from pathlib import Path

import fake_rbd

# A module, and not run by its name: so it is compiled once.
_PROGRAM = """#!{python} -SE
import sys
sys.path.insert(0, {here!r})
sys.argv[1:1] = [{folder!r}, {root!r}]
import fake_rbd
sys.exit(fake_rbd.main())
"""


def install(root: Path, folder: Path) -> None:
    """Give the node below `root` a program rbd that reaches the cluster in `folder`."""
    program = root / "usr/bin/rbd"
    program.parent.mkdir(parents=True, exist_ok=True)
    (root / "dev").mkdir(exist_ok=True)
    program.write_text(_PROGRAM.format(python=sys.executable, root=str(root), folder=str(folder),
                                       here=str(Path(fake_rbd.__file__).parent)))
    program.chmod(0o755)


def images(folder: Path) -> list[str]:
    """The images and snapshots that there are."""
    with fake_rbd.World(str(folder)) as world:
        return sorted(
            spec for pool, found in world.state["pools"].items() for name, image in found.items()
            for spec in (f"{pool}/{name}", *(f"{pool}/{name}@{one}" for one in image["snaps"])))
