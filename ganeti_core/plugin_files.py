"""One-off plugins: single files in a folder of the node, without a distribution.

A file ``/etc/ganeti/plugins/NAME.py`` says what it is (``PLUGIN = "hypervisors:mine"``) and has one
class with hooks. It runs as root like any plugin, so file and folder must belong to root and be
writable by nobody else. Each file is loaded again when it has changed; what was loaded goes when
its file has gone.
"""

from __future__ import annotations

import ast
import logging
import os
import stat
import sys
from dataclasses import field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import PluginRejected
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.kinds import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path("etc/ganeti/plugins")
GROUP = "plugin_file"
"""Stands for the group of an entry point where a file is tried out; the name is its path."""
LARGEST = 1 << 20
_PACKAGE = "ganeti_plugin_files"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

log = logging.getLogger(__name__)

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class FilePlugin:
    """What a file holds; with a `problem` there is no `plugin`.

    Where it does not say what it is either, `kind` is `GROUP` and `name` the file's.
    """

    path: Path
    kind: str
    name: str
    plugin: Any = None
    problem: str = ""


@dataclass
class PluginFiles:
    """The files of a node, each as it was when it last changed."""

    _known: dict[Path, tuple[Stamp, FilePlugin]] = field(default_factory=dict)

    def changed(self, root: Path) -> list[Path]:
        """The files that are new or were changed since `found` loaded them."""
        return [path for path, stamp in _files(root) if not self._is_known(path, stamp)]

    def found(self, root: Path, problems: dict[Path, str]) -> list[FilePlugin]:
        """Load what has changed, and return what every file holds.

        :param problems: files that must not be loaded, and why
        """
        known: dict[Path, tuple[Stamp, FilePlugin]] = {}
        for path, stamp in _files(root):
            if self._is_known(path, stamp):
                known[path] = self._known[path]
            elif path in problems:
                known[path] = stamp, _broken(path, problems[path])
            else:
                known[path] = stamp, _loaded(path)
        self._known = known
        return [plugin for _, plugin in known.values()]

    def _is_known(self, path: Path, stamp: Stamp) -> bool:
        return path in self._known and self._known[path][0] == stamp


def _files(root: Path) -> Iterator[tuple[Path, Stamp]]:
    try:
        paths = sorted((root / FOLDER).glob("*.py"))
    except OSError:
        return
    for path in paths:
        try:
            yield path, _stamp(path.lstat(), (root / FOLDER).stat())
        except OSError:
            continue  # it went meanwhile


def _stamp(*found: os.stat_result) -> Stamp:
    file, folder = found
    return (file.st_ino, file.st_mtime_ns, file.st_ctime_ns, file.st_size, file.st_uid,
            file.st_mode, folder.st_uid, folder.st_mode)


def _broken(path: Path, problem: str) -> FilePlugin:
    return FilePlugin(path, *(_said(path) or (GROUP, path.name)), problem=problem)


def _said(path: Path) -> tuple[str, str] | None:
    """Kind and name that the text of a file states, which may not be imported."""
    try:
        statements = ast.parse(_read(path)).body
    except (OSError, SyntaxError, ValueError, PluginRejected):
        return None
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id="PLUGIN")], value=ast.Constant(value=str(said))):
                kind, _, name = said.partition(":")
                return (kind, name) if kind in KINDS and name else None
    return None


def _loaded(path: Path) -> FilePlugin:
    try:
        return load_file(path)
    except PluginRejected as exc:
        return _broken(path, exc.message)
    except (Exception, SystemExit) as exc:  # wall: foreign code at import time
        log.debug("%s", path, exc_info=True)
        return _broken(path, f"cannot be loaded: {type(exc).__name__}: {exc}")


def load_file(path: Path) -> FilePlugin:
    """Import the file and make its plugin.

    :raises PluginRejected: others may write it, or it is not of the form of a plugin's file
    """
    source = _read(path)
    module = ModuleType(f"{_PACKAGE}.{path.stem}")
    module.__file__ = str(path)
    # Compiled here and not imported: a compiled copy beside it could be another's, or an old one.
    sys.modules[module.__name__] = module
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # as an import does
    kind, _, name = str(getattr(module, "PLUGIN", "")).partition(":")
    if kind not in KINDS or not name:
        raise PluginRejected(
            f"it needs a line such as PLUGIN = 'hypervisors:mine'; found"
            f" {getattr(module, 'PLUGIN', None)!r}, and the kinds are {', '.join(KINDS)}")
    return FilePlugin(path, kind, name, _class_with_hooks(module)())


def _read(path: Path) -> bytes:
    """:raises PluginRejected: it is no file, or somebody else than root may change it"""
    _check_owner(path.parent, path.parent.stat())
    # Not by a link: what is checked must be what is read.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise PluginRejected(f"it is no regular file of at most {LARGEST} bytes")
        _check_owner(path, found)
        return file.read(LARGEST + 1)


def _check_owner(path: Path, found: os.stat_result) -> None:
    # A virtual cluster of another user is that user's.
    if found.st_uid not in (0, os.geteuid()):
        raise PluginRejected(
            f"{path} belongs to the user {found.st_uid}: it must be root's (chown root)")
    if found.st_mode & _OTHERS_WRITE:
        raise PluginRejected(f"{path} has the mode {stat.S_IMODE(found.st_mode):o}: nobody but its"
                             " owner may write it (chmod go-w)")


def _class_with_hooks(module: ModuleType) -> type:
    own = [one for one in vars(module).values()
           if isinstance(one, type) and one.__module__ == module.__name__ and any(
               hasattr(getattr(one, name, None), f"{PROJECT}_impl") for name in dir(one))]
    last = [one for one in own if not any(one in other.__mro__[1:] for other in own)]
    if len(last) != 1:
        names = ", ".join(one.__name__ for one in last) or "none"
        raise PluginRejected(f"it must have one class with hooks (@hookimpl); found {names}")
    return last[0]
