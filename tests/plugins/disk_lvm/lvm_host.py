"""A node with a program that stands in for lvm; see `fake_lvm`."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_lvm
import stand_in


@dataclass(frozen=True)
class FakeHost:
    """What LVM has on a node; see `fake_lvm`."""

    folder: Path

    @property
    def program(self) -> str:
        return str(self.folder / "lvm")

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = marshal.loads(  # noqa: S302  # its own file
            (self.folder / "state").read_bytes())
        return found

    def change(self, **parts: Any) -> None:
        (self.folder / "state").write_bytes(marshal.dumps({**self.state, **parts}))

    def add(self, full_name: str, size: int = 16, **more: Any) -> Path:
        """Make a volume as somebody else would; return its device."""
        device = self.folder / "dev" / full_name
        device.parent.mkdir(parents=True, exist_ok=True)
        with device.open("wb") as file:
            file.truncate(size << 20)
        lv = {"size": size, "on": {"/dev/sdb": size}, "tags": [], "kind": "-", "pool": "",
              "origin": "", "active": True, "read_only": False, **more}
        self.change(lvs={**self.state["lvs"], full_name: lv})
        return device

    def mark(self, what: str, *names: str) -> None:
        """Let volumes be ``busy``, or physical volumes ``lost``."""
        (self.folder / what).write_text("\n".join(names))

    @classmethod
    def make(cls, folder: Path) -> FakeHost:
        """Make one with two groups: one of three physical volumes, one of one."""
        folder.mkdir()
        made = cls(folder)
        stand_in.install(Path(made.program), fake_lvm, str(folder))
        groups = {"/dev/sdb": "xenvg", "/dev/sdc": "xenvg", "/dev/sdd": "xenvg",
                  "/dev/sde": "other"}
        for group in set(groups.values()):
            (folder / "dev" / group).mkdir(parents=True)
        (folder / "state").write_bytes(marshal.dumps({
            "vgs": ["other", "xenvg"], "lvs": {}, "pvs": {
                name: {"group": group, "size": 1024, "allocatable": True}
                for name, group in groups.items()}}))
        return made
