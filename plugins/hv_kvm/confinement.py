"""As whom and where QEMU runs, as the parameters ``security_*`` and ``use_chroot`` ask.

QEMU opens the disks before it gives up its rights, so they may belong to root. What it must read
later, the keys of its migrations, lies in a folder of its own user, which it reaches through a
descriptor or below its own root: the folders above are closed to that user.
"""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_ENVIRON,
    HookContext,
    HypervisorError,
)

from .parameters import refusal


@dataclass(frozen=True)
class Confined:
    """`user`: as ``-runas`` takes it; empty for root. `root`: the folder that becomes QEMU's root.

    `keys`: the folder of its keys, as QEMU sees it; `descriptors`: those that it inherits for that.
    """

    user: str = ""
    root: Path | None = None
    keys: str = ""
    descriptors: tuple[int, ...] = ()


def is_confined(hvparams: Mapping[str, Any]) -> bool:
    """Whether QEMU can open no more files of root once it runs."""
    return bool(hvparams["security_model"] != "none" or hvparams["use_chroot"])


def check(ctx: HookContext, params: Mapping[str, Any]) -> None:
    """Check what the parameters ask for.

    :raises OpPrereqError: names the parameter that cannot be honoured on this node
    """
    model, domain = params["security_model"], params["security_domain"]
    if (model == "user") != bool(domain):
        raise refusal("security_domain", domain, "names the user of security_model=user, and must "
                                                 "be set for it and only for it")
    if is_confined(params) and os.geteuid() != 0:
        name = "use_chroot" if model == "none" else "security_model"
        raise refusal(name, params[name], "the node daemon must run as root for that",
                      ECODE_ENVIRON)
    if model == "user":
        _ids_of(domain)
    if model == "pool" and not ctx.config.get("uid_pool"):
        raise refusal("security_model", model, "the cluster's uid pool is empty: gnt-cluster modify"
                                               " --uid-pool")


@contextmanager
def confined(
    ctx: HookContext, folder: Path, params: Mapping[str, Any]
) -> Iterator[Confined]:
    """What a QEMU that is to be started gets; `folder` is its guest's.

    In force until QEMU runs, so that no two of them get one user of the pool.

    :raises HypervisorError: no user is free
    """
    with ExitStack() as stack:
        uid, gid = _owner(ctx, params, stack)
        root = folder / "root" if params["use_chroot"] else None
        if root is not None:
            root.mkdir(mode=0o711)
        keys = (root or folder) / "keys"
        keys.mkdir(mode=0o700)
        os.chown(keys, uid, gid)
        user = "" if uid == os.geteuid() else params["security_domain"] or f"{uid}:{gid}"
        if root is not None:
            yield Confined(user, root, "/keys")
        elif user:
            handle = os.open(keys, os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, handle)
            yield Confined(user, None, f"/proc/self/fd/{handle}", (handle,))
        else:
            yield Confined(keys=str(keys))


def keys_folder(folder: Path) -> Path:
    """Where the keys of a guest's QEMU lie, as the node sees it."""
    inside = folder / "root" / "keys"
    return inside if inside.is_dir() else folder / "keys"


def _owner(
    ctx: HookContext, params: Mapping[str, Any], stack: ExitStack
) -> tuple[int, int]:
    match params["security_model"]:
        case "user":
            return _ids_of(params["security_domain"])
        case "pool":
            lock = os.open(ctx.state / "uid-pool.lock", os.O_WRONLY | os.O_CREAT, 0o600)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _free(ctx)
        case _:
            return os.geteuid(), os.getegid()


def _free(ctx: HookContext) -> tuple[int, int]:
    used = _users_of_processes()
    for low, high in ctx.config.get("uid_pool") or ():
        for uid in range(low, high + 1):
            if uid not in used:
                try:
                    return uid, pwd.getpwuid(uid).pw_gid
                except KeyError:
                    return uid, uid
    raise HypervisorError("security_model=pool: every user of the cluster's uid pool has processes "
                          "on this node: enlarge it (gnt-cluster modify --add-uids)")


def _users_of_processes() -> set[int]:
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                lines = Path(entry.path, "status").read_text(errors="replace").splitlines()
            except OSError:
                continue
            for line in lines:
                if line.startswith("Uid:"):
                    found |= set(map(int, line.split()[1:]))
    return found


def _ids_of(name: str) -> tuple[int, int]:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise refusal("security_domain", name, "there is no such user on this node",
                      ECODE_ENVIRON) from None
    return found.pw_uid, found.pw_gid
