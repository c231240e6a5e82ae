"""What `gnt-cluster verify` asks of a node that no plugin can tell."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.node.services.arguments import decode
from ganeti_core.node.services.facts import own_version

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

_BLOCK = 1 << 20


@dataclass(frozen=True)
class VerifyArgs:
    """Of ``node.verify``.

    :param files: paths below the node's root whose checksums are wanted
    :param storage_paths: folders that must exist and be writable
    """

    files: list[str] = field(default_factory=list)
    storage_paths: list[str] = field(default_factory=list)


def verify(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer ``time``, ``version``, ``epoch``, ``candidates``, ``files`` (path → SHA-256 or None),
    ``storage_paths`` (path → what is wrong, or None), ``scripts`` (what is wrong, a line each)."""
    wanted = decode(VerifyArgs, args)
    root = state.world.place.paths.root
    return {
        "time": time.time(),
        "version": own_version(),
        "epoch": state.epochs.highest(),
        "candidates": sorted(state.candidates.known()),
        "files": {name: _checksum(below(root, name)) for name in wanted.files},
        "storage_paths": {name: _folder_problem(below(root, name))
                          for name in wanted.storage_paths},
        "scripts": _script_problems(state.world.place.paths.scripts),
    }


def below(root: Path, name: str) -> Path:
    """The place of a cluster's path in this node's tree; an absolute one is taken below `root`."""
    path = Path(name)
    return path if path.is_relative_to(root) else root / name.lstrip("/")


def _checksum(file: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _folder_problem(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"{folder} cannot be written"
    return None


def _script_problems(scripts: Path) -> list[str]:
    if not scripts.is_dir():
        return [f"{scripts} is no folder"]
    problems = []
    for folder in sorted(scripts.glob("*.d")):
        if not folder.is_dir():
            problems.append(f"{folder} is no folder")
            continue
        problems += [f"{file} is no program: it is not run" for file in sorted(folder.iterdir())
                     if not (file.is_file() and os.access(file, os.X_OK))]
    return problems
