"""The system user that a daemon becomes once what needs root is open.

It reads as a member of its group: the folders of a node are open to that group and to no other
user, and what is secret in them only root can read. A daemon that has become somebody stays so.
"""

from __future__ import annotations

import grp
import logging
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.readers import admit_to_all, files_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from ganeti_core.paths import Paths

ROOT = "root"
DAEMONS = "gnt-daemons"
"""The group that the daemons' users have in common: it may enter a node's folders."""
_PROGRAMS = (Path(os.__file__), Path(__file__))
"""What is imported later lies where these do."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """A user of this host with the groups that it belongs to, its own one first."""

    name: str
    uid: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, name: str) -> Self:
        """:raises ConfigurationError: this host has no such user"""
        try:
            found = pwd.getpwnam(name)
        except KeyError as exc:
            raise ConfigurationError(
                f"this host has no user {name} (useradd --system makes one; --user {ROOT} does "
                "without)") from exc
        groups = dict.fromkeys((found.pw_gid, *os.getgrouplist(name, found.pw_gid)))
        return cls(name, found.pw_uid, tuple(groups))

    @classmethod
    def wanted(cls, asked: str | None, usual: str, paths: Paths) -> Self | None:
        """Return who a daemon has to become; None: it stays who started it.

        :param asked: what its option says
        :param usual: the daemon's own user, which root becomes on a host of its own; below another
            root everything belongs to who started the cluster
        :raises ConfigurationError: there is no such user, or this process cannot become it
        """
        is_root = os.geteuid() == 0
        if asked is None and not (is_root and paths.root == Path("/")):
            return None
        account = cls.of(asked or usual)
        if account.uid == os.geteuid():
            return None
        if not is_root:
            raise ConfigurationError(f"--user {account.name}: only root can become another user")
        return account

    def own(self, file: Path) -> None:
        """Make `file` this user's, private; it is created where there is none."""
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.chown(file, self.uid, self.groups[0], follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        """Make a folder and all in it this user's; the folders above it are opened to the daemons.

        :raises ConfigurationError: it is not there and cannot be made
        """
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as exc:
            raise ConfigurationError(f"{folder} cannot be made: {exc.strerror}") from exc
        self._admit(folder.parent)
        with suppress(OSError):  # it has been this user's for long, perhaps, and is read-only
            for above, _, files in os.walk(folder):
                for path in (above, *(os.path.join(above, name) for name in files)):
                    os.chown(path, self.uid, self.groups[0], follow_symlinks=False)

    def become(self, folders: Iterable[Path], paths: Paths) -> None:
        """Be this user from now on, in all threads, with no right of root left.

        :param folders: what it has to read; those that root's group has are given to the daemons'
        :param paths: below them lie files that its own group may read
        :raises ConfigurationError: this process cannot become the user, or it would be of no use
        """
        wanted = [folder for folder in folders if folder.exists()]
        for folder in wanted:
            self._admit(folder)
        admit_to_all(paths, self._own_group)
        try:
            os.setgroups(self.groups)
            os.setresgid(self.groups[0], self.groups[0], self.groups[0])
            os.setresuid(self.uid, self.uid, self.uid)
        except OSError as exc:
            raise ConfigurationError(
                f"this process cannot become user {self.name}: {exc.strerror}") from exc
        files = [file for file in files_of(paths, self._own_group) if file.exists()]
        for path, mode in (*((folder, os.R_OK | os.X_OK) for folder in wanted),
                           *((file, os.R_OK) for file in files),
                           *((program, os.R_OK) for program in _PROGRAMS)):
            if not os.access(path, mode):
                raise ConfigurationError(
                    f"user {self.name} cannot read {path}: let group "
                    f"{_group_name(self._shared_group)} do so, or one of the folders above it "
                    f"(--user {ROOT} does without)")
        log.info("goes on as user %s (%d)", self.name, self.uid)

    def _admit(self, folder: Path) -> None:
        """Open a folder to the group; one that somebody has given to another group is left."""
        state = folder.stat()
        if state.st_gid == 0 and self.groups[0] != 0:
            # Where that cannot be done it may be open all the same: that is seen afterwards.
            with suppress(OSError):
                os.chown(folder, -1, self._shared_group)
                folder.chmod(stat.S_IMODE(state.st_mode) | stat.S_IRGRP | stat.S_IXGRP)

    @property
    def _shared_group(self) -> int:
        """The daemons' group, where this user belongs to it; else its own."""
        with suppress(KeyError):
            found = grp.getgrnam(DAEMONS).gr_gid
            if found in self.groups:
                return found
        return self.groups[0]

    @property
    def _own_group(self) -> str:
        return _group_name(self.groups[0])


def add_user(parser: argparse.ArgumentParser, user: str) -> None:
    """Add the option that names another user than the daemon's own, `user`."""
    parser.add_argument("--user", help=(
        "The user that the daemon becomes when what needs root is open (default: "
        f"{user}, where root starts it on a real host)"))


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
