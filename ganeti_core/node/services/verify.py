"""What `gnt-cluster verify` asks of a node that no plugin can tell."""

from __future__ import annotations

import datetime
import hashlib
import os
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.node.services.facts import own_version
from ganeti_core.node.services.neighbours import Neighbour, Probe, failing, unreachable
from ganeti_core.node.services.power import program_problem
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.allowed import why_not_run
from ganeti_core.plugin_api.storage_folders import forbidden_lines
from ganeti_core.rpc.certs import ending

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths

_BLOCK = 1 << 20
UNREADABLE = "error: "
"""Before the reason why there is no checksum of a file."""
MOUNTED = {
    "sysfs": ("/sys", ("/sys/block", "/sys/class/net")),
    "procfs": ("/proc", ("/proc/sys",)),
}
"""What shows that a file system of the kernel is mounted where it should be."""


@dataclass(frozen=True)
class VerifyArgs:
    """Of ``node.verify``.

    :param files: paths below the node's root whose checksums are wanted
    :param storage_paths: folders that must exist and be writable
    :param own: this node as `neighbours` know it; those are tried from its addresses
    :param master: the cluster's own address, and the port of the master's node daemon
    :param programs: that must be executable, such as what switches other nodes' power
    """

    files: list[str] = field(default_factory=list)
    storage_paths: list[str] = field(default_factory=list)
    own: Neighbour | None = None
    neighbours: list[Neighbour] = field(default_factory=list)
    master: Probe | None = None
    programs: list[str] = field(default_factory=list)


def verify(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Report on this node, by name:

    ``time``, ``version``; ``apis``: kind of plugin → version of its contract; ``epoch``;
    ``candidates`` and ``certificates``: fingerprints of those who may change the node, and of all
    nodes; ``files``: path → SHA-256, None where there is none, or ``error: REASON``;
    ``storage_paths`` and ``programs``: path → what is wrong, or None; ``scripts`` and ``setup``:
    what is wrong, a line each; ``forbidden``: lines of the list of folders for disks that must not
    be there; ``unreachable``: node → which addresses; ``master_reached``: None if not asked;
    ``collectors``: what data collectors report as bad, by their names; ``certificate``: how bad it
    is that the node's own is about to end, and what to say of it, empty where it is not.
    """
    wanted = decode(VerifyArgs, args)
    paths = state.world.local.paths
    members = state.members.known()
    return {
        "time": time.time(),
        "version": own_version(),
        "apis": {kind.name: kind.api for kind in KINDS.values()},
        "epoch": state.epochs.highest(),
        "candidates": sorted(members.candidates),
        "certificates": sorted(members.certificates),
        "files": {name: _checksum(below(paths.root, name)) for name in wanted.files},
        "storage_paths": {name: _folder_problem(below(paths.root, name))
                          for name in wanted.storage_paths},
        "programs": {name: program_problem(name) for name in wanted.programs},
        "scripts": _script_problems(paths.scripts),
        "setup": setup_problems(paths),
        "forbidden": forbidden_lines(paths.root),
        "unreachable": unreachable(wanted.own, wanted.neighbours) if wanted.own else {},
        "master_reached": not failing([wanted.master]) if wanted.master else None,
        "collectors": state.collecting.alarms(),
        "certificate": list(certificate_ending(paths.node_certificate)),
    }


def certificate_ending(file: Path) -> tuple[str, str]:
    """Say how bad it is that a certificate is about to end, and what; empty where it is not."""
    try:
        return ending(file.read_bytes(), datetime.datetime.now(datetime.UTC))
    except (OSError, ValueError) as exc:
        return "ERROR", f"Certificate cannot be read: {exc}"


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
    except FileNotFoundError:
        return None
    except OSError as exc:
        return f"{UNREADABLE}{exc.strerror}"
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
        problems += [f"{file} is not run: {problem}" for file in sorted(folder.iterdir())
                     if (problem := why_not_run(file))]
    return problems


def mount_problems() -> list[str]:
    """Which file systems of the kernel are not mounted where programs expect them."""
    return [
        f"The {name} filesystem doesn't seem to be mounted under {place}, missing required "
        f"{' and '.join(missing)}"
        for name, (place, needed) in MOUNTED.items()
        if (missing := [path for path in needed if not os.path.exists(path)])]


def setup_problems(paths: Paths) -> list[str]:
    """Whether this host has what every node needs: kernel interfaces, folders, a key of its own."""
    problems = mount_problems()
    problems += [f"{folder} is not a folder" for folder in paths.directories
                 if not folder.is_dir()]
    try:
        mode = paths.node_key.stat().st_mode & 0o777
    except OSError as exc:
        return [*problems, f"the node's key cannot be used: {exc}"]
    if mode & 0o077:
        problems.append(f"others can read {paths.node_key}: it has mode {mode:o}, not 600")
    return problems
