"""Around what makes a cluster of this host: all of it or nothing, and one process at a time.

What is there before stays when it fails: where Ganeti had the host, its certificates and secrets.
Those that are replaced have a second name meanwhile. A note tells what that is, and goes last. Who
finds it knows that the process before was killed; the identity of the node is written last of what
it makes, so without that no daemon has ever run.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganeti_core.bootstrap.one_at_a_time import MASTER, alone
from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.node.services.cluster_files import (
    cluster_files,
    forget_masters,
    remove_cluster_data,
    unfinished_note,
)
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.identity import identity_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ganeti_core.paths import Paths


@contextmanager
def new_cluster_here(paths: Paths) -> Iterator[None]:
    """Let the body make a cluster; when it fails, or was killed, nothing of that is left.

    :raises OpPrereqError: there is a cluster, this host is a node, or another process makes one
    """
    with alone(paths, MASTER, "process that makes this host a master"):
        _remove_unfinished(paths)
        _check_none(paths)
        yield


@contextmanager
def all_or_nothing(paths: Paths) -> Iterator[None]:
    """Around what writes: half of a cluster could neither be used nor be made again."""
    paths.make_directories()
    names = [str(file.relative_to(paths.data)) for file in cluster_files(paths) if file.exists()]
    _set_aside(paths, names)
    write_private(unfinished_note(paths), json.dumps(names).encode())
    try:
        forget_masters(paths)
        yield
    except BaseException:
        _put_back(paths, names)
        raise
    shutil.rmtree(_aside(paths))
    unfinished_note(paths).unlink()


def _aside(paths: Paths) -> Path:
    """The folder with second names of the files that may be replaced."""
    return paths.data / "new-cluster.before"


def _set_aside(paths: Paths, names: Iterable[str]) -> None:
    shutil.rmtree(_aside(paths), ignore_errors=True)
    _aside(paths).mkdir(mode=0o700)
    for name in names:
        if (paths.data / name).is_file():
            (_aside(paths) / name).parent.mkdir(mode=0o700, exist_ok=True)
            os.link(paths.data / name, _aside(paths) / name, follow_symlinks=False)


def _put_back(paths: Paths, names: Iterable[str]) -> None:
    """Leave nothing but what was there before, as it was; harmless when repeated."""
    for name in names:
        if (kept := _aside(paths) / name).exists():
            kept.replace(paths.data / name)
    remove_cluster_data(paths, {paths.data / name for name in names})
    shutil.rmtree(_aside(paths), ignore_errors=True)


def _check_none(paths: Paths) -> None:
    if paths.database.exists() or paths.ca_key.exists():
        raise OpPrereqError("Cluster is already initialised", ECODE_STATE)
    if identity_file(paths).exists():
        # Its key and its certificate would be lost, and the cluster's node with them.
        raise OpPrereqError(
            f"This host is a node of a cluster already, says {identity_file(paths)}: remove it "
            "there first (gnt-node remove), or, where that cluster is lost, remove this file",
            ECODE_STATE)


def _remove_unfinished(paths: Paths) -> None:
    """Remove what a process has left that was killed."""
    try:
        before = json.loads(unfinished_note(paths).read_text())
    except FileNotFoundError:
        return
    if identity_file(paths).exists():
        shutil.rmtree(_aside(paths), ignore_errors=True)
        unfinished_note(paths).unlink()
    else:
        _put_back(paths, before)
