"""Files of the cluster on this node: ``ssconf_*`` for shell scripts."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import collecting
from ganeti_core.node.config_export import remove_export
from ganeti_core.node.job_folder import remove_job_folder
from ganeti_core.node.services.arguments import decode
from ganeti_core.node.services.crypto import SHARED_FILES, next_key
from ganeti_core.node.services.master_ip import MasterIpArgs, change
from ganeti_core.node.services.members import take
from ganeti_core.node.services.replica import marks_file
from ganeti_core.rpc.atomic import drafts, write_all_atomically
from ganeti_core.rpc.identity import identity_file
from ganeti_core.rpc.members import members_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

PREFIX = "ssconf_"
LARGEST = 131072
"""Bytes of one file."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")


@dataclass(frozen=True)
class SsconfArgs:
    """Of ``node.ssconf``: text by name, with or without ``ssconf_``.

    `members`, where given, is the signed list of members, as `node.members` takes it from anybody.
    `epoch` is remembered. `serial` is of the configuration that they are from: what comes late,
    behind something newer, is passed over.
    """

    values: dict[str, str] = field(default_factory=dict)
    members: str = ""
    epoch: int | None = None
    serial: int | None = None


def write_ssconf(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Write the files that changed, each at once."""
    wanted = decode(SsconfArgs, args)
    texts = {name.removeprefix(PREFIX): text for name, text in wanted.values.items()}
    for name, text in texts.items():
        if not _NAME.fullmatch(name):
            raise OpPrereqError(f"'{name}' cannot be the name of an ssconf file", ECODE_INVAL)
        if len(text.encode()) > LARGEST:
            raise OpPrereqError(f"the content of ssconf_{name} is too large", ECODE_INVAL)
    if wanted.epoch is not None:
        state.epochs.admit(wanted.epoch)
    if wanted.members:
        take(state, wanted.members)
    with state.files.guard:
        if wanted.serial is not None:
            serial = (wanted.epoch or 0, wanted.serial)
            if serial < state.files.serial:
                return
            state.files.serial = serial
        _write(state, texts)
    if collecting.FOLLOWED & texts.keys():
        state.collecting.settings_changed()


def _write(state: NodeState, texts: dict[str, str]) -> None:
    folder = state.world.local.paths.ssconf
    _release_ip(state, folder, texts)
    _drop_job_files(state, texts)
    contents = {f"{PREFIX}{name}": _ended(text).encode() for name, text in texts.items()}
    write_all_atomically(folder, {name: content for name, content in contents.items()
                                  if _differs(folder / name, content)}, 0o444)


def _release_ip(state: NodeState, folder: Path, texts: dict[str, str]) -> None:
    """Take the cluster's address off this node if it was the master and hears that it is not."""
    new = texts.get("master_node", "").strip()
    if not new or new == state.world.local.identity.name:
        return
    try:
        known = {name: (folder / f"{PREFIX}{name}").read_text().strip()
                 for name in ("master_node", "master_ip", "master_netdev", "master_netmask")}
    except OSError:
        return
    if known["master_node"] != state.world.local.identity.name:
        return
    log.warning("this node is not the master any more, %s is", new)
    try:
        change(state.world.local.paths, MasterIpArgs(
            "stop", known["master_ip"], known["master_netdev"], int(known["master_netmask"])))
    except (GanetiError, ValueError) as exc:
        log.warning("%s", exc)


def _drop_job_files(state: NodeState, texts: dict[str, str]) -> None:
    """Remove what a master wrote here of the jobs, now that another node is the master."""
    new = texts.get("master_node", "").strip()
    if new and new != state.world.local.identity.name:
        try:
            remove_job_folder(state.world.local.paths)
        except OSError as exc:
            log.warning("files of jobs are left here: %s", exc)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _differs(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() != content
    except FileNotFoundError:
        return True


def leave(state: NodeState, _args: dict[str, Any], _deadline: float) -> None:
    """Forget the cluster: certificates, keys, database, ssconf; the daemon then ends.

    Logs, disks and guests stay.
    """
    remove_cluster_data(state.world.local.paths)
    log.warning("this host has left its cluster")
    state.leave.set()


def remove_drafts(paths: Paths) -> None:
    """Remove what writers left that were killed halfway: drafts of keys, too."""
    for draft in drafts(paths.data):
        log.info("%s was left by a writer that was killed: removed", draft)
        draft.unlink(missing_ok=True)


def cluster_files(paths: Paths) -> list[Path]:
    """All files by which this host is a node, keys first; those of fixed names are there or not."""
    return [
        paths.ca_key, paths.node_key, next_key(paths), members_file(paths),
        paths.node_certificate, paths.ca_certificate, paths.epoch, identity_file(paths),
        *(paths.data / name for name in SHARED_FILES),
        # Another cluster counts its marks anew, and they would seem to be old.
        *paths.data.glob(f"{marks_file(paths).stem}.*"), *paths.data.glob("enrol-tokens.*"),
        *paths.database.parent.glob(f"{paths.database.name}*"),
        *paths.ssconf.glob(f"{PREFIX}*"),
    ]


def remove_cluster_data(paths: Paths, but: Collection[Path] = ()) -> None:
    """Remove all by which this host is a node; harmless when repeated.

    Keys go first: what stays after a failure cannot pass for a node of the cluster.

    :param but: files that stay
    """
    for file in cluster_files(paths):
        if file not in but:
            file.unlink(missing_ok=True)
    remove_export(paths)
    remove_job_folder(paths)
    remove_drafts(paths)
    shutil.rmtree(paths.calls, ignore_errors=True)
    shutil.rmtree(collecting.folder(paths), ignore_errors=True)
    unfinished_note(paths).unlink(missing_ok=True)


def forget_masters(paths: Paths) -> None:
    """Forget what masters of an earlier cluster have told: another one counts its epochs and marks
    anew, and they would seem to be old."""
    for file in (paths.epoch, marks_file(paths)):
        file.unlink(missing_ok=True)


def unfinished_note(paths: Paths) -> Path:
    """What tells that a cluster is being made here: see `bootstrap.founding`."""
    return paths.data / "new-cluster.unfinished"
