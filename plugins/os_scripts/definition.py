"""Read an OS definition: a folder with scripts and a few lists.

Required are ``ganeti_api_version`` (a number a line) and the programs ``create``, ``import``,
``export`` and ``rename``; with ``create_untrusted`` instead of ``create``, or beside it, the OS is
installed by that program in a helper guest. From API 15 on ``variants.list`` may name variants; API
20 also requires ``verify`` and ``parameters.list`` (a name and a description a line).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ganeti_core.plugin_api.data import OsInfo

API_FILE = "ganeti_api_version"
VARIANTS_FILE = "variants.list"
PARAMETERS_FILE = "parameters.list"
CREATE, CREATE_UNTRUSTED = "create", "create_untrusted"
SCRIPTS = ("export", "import", "rename")
VERIFY_SCRIPT = "verify"
SPOKEN = frozenset({10, 15, 20})
WITH_VARIANTS = 15
WITH_PARAMETERS = 20


@dataclass(frozen=True)
class Definition:
    """One OS definition as it is on this node now.

    `api`: the version that its scripts are run with, 0 when none is usable. `problem`: why it
    cannot be used; empty when it can.
    """

    name: str
    folder: Path
    api_versions: tuple[int, ...] = ()
    api: int = 0
    variants: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether its installation may run on the node."""
        return not (self.folder / CREATE_UNTRUSTED).exists()

    @property
    def info(self) -> OsInfo:
        return OsInfo(self.name, str(self.folder), self.api_versions, self.variants,
                      self.parameters, self.problem, self.is_trusted)

    def variant(self, asked: str) -> str:
        """The variant in force when `asked` for one: the first, where none is named."""
        return asked or (self.variants[0] if self.variants else "")


def read(name: str, folder: Path) -> Definition:
    """Read the definition in `folder`; what is wrong with it becomes its `problem`."""
    found = Definition(name, folder)
    try:
        versions = _api_versions(folder)
        found = Definition(name, folder, versions)
        api = max(SPOKEN & set(versions), default=0)
        if not api:
            raise _Unusable(f"its API versions {_numbers(versions)} are not among those "
                            f"supported, {_numbers(tuple(sorted(SPOKEN)))}")
        listed = _lines(folder / VARIANTS_FILE, optional=True) if api >= WITH_VARIANTS else ()
        variants = tuple(dict.fromkeys(listed))
        parameters = _parameters(folder) if api >= WITH_PARAMETERS else ()
        found = Definition(name, folder, versions, api, variants, parameters)
        create = CREATE if found.is_trusted else CREATE_UNTRUSTED
        for script in (create, *SCRIPTS, *((VERIFY_SCRIPT,) if api >= WITH_PARAMETERS else ())):
            _check_script(folder / script)
    except _Unusable as exc:
        return Definition(found.name, folder, found.api_versions, found.api, found.variants,
                          found.parameters, str(exc))
    return found


class _Unusable(Exception):
    """The definition cannot be used; says why."""


def _api_versions(folder: Path) -> tuple[int, ...]:
    lines = _lines(folder / API_FILE, optional=False)
    try:
        return tuple(sorted({int(line) for line in lines}, reverse=True))
    except ValueError as exc:
        raise _Unusable(f"{API_FILE} holds something else than numbers: {exc}") from exc


def _parameters(folder: Path) -> tuple[tuple[str, str], ...]:
    words = (line.split(maxsplit=1) for line in _lines(folder / PARAMETERS_FILE, optional=False))
    return tuple((word[0], word[1] if len(word) > 1 else "") for word in words)


def _lines(path: Path, *, optional: bool) -> tuple[str, ...]:
    try:
        text = path.read_text()
    except FileNotFoundError as exc:
        if optional:
            return ()
        raise _Unusable(f"{path.name} is missing") from exc
    except (OSError, ValueError) as exc:
        raise _Unusable(f"{path.name} cannot be read: {exc}") from exc
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _check_script(path: Path) -> None:
    if not path.is_file():
        raise _Unusable(f"script {path.name} is missing")
    if not os.access(path, os.X_OK):
        raise _Unusable(f"script {path.name} is not executable")


def _numbers(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, versions)) or "(none)"
