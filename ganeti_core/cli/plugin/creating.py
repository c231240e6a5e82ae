"""``gnt-plugin new``: a complete distribution from templates."""

from __future__ import annotations

import re
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.cli.plugin.names import EVENTS, kind_name, kind_title
from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, OpPrereqError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_PREFIXES = {"hypervisors": "hypervisor", "disk_templates": "disk",
             "network_backends": "network", "network_services": "network-service",
             "extstorage": "extstorage",
             "os": "os", "collectors": "collector", "iallocators": "iallocator",
             "authenticators": "authenticator"}


def new(options: argparse.Namespace) -> int:
    """Write the files and tell what to do with them.

    :raises OpPrereqError: a name that cannot be one or that is taken, or a folder that is in use
    """
    kind, name = kind_name(options.kind), options.name
    if kind in EVENTS:
        raise OpPrereqError("a subscriber to events has no kit: see docs/reference/events.md for "
                            "the one class that it takes", ECODE_INVAL)
    if not _NAME.fullmatch(name):
        raise OpPrereqError(f"{name!r} cannot be the name of a plugin: take small letters, digits"
                            " and hyphens", ECODE_INVAL)
    if owner := _owner(kind, name):
        raise OpPrereqError(
            f"{owner} has a {kind_title(kind)} {name}: of two with one name neither is used",
            ECODE_EXISTS)
    words = words_of(kind, name)
    folder: Path = options.dir or Path(words["DISTRIBUTION"])
    if folder.exists() and any(folder.iterdir()):
        raise OpPrereqError(f"{folder} is there and not empty: choose another with --dir",
                            ECODE_EXISTS)
    for path, text in files(kind, words).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    print(f"The {kind_title(kind)} {name} is in {folder}. To try it:\n"
          f"  cd {folder}\n"
          f"  pip install -e '.[test]'\n"
          f"  pytest\n"
          f"  gnt-plugin check {words['DISTRIBUTION']}")
    return 0


def _owner(kind: str, name: str) -> str:
    """The installed distribution that has such a plugin; empty when none has."""
    found = metadata.entry_points(group=f"ganeti.{kind}", name=name)
    return next((entry.dist.name for entry in found if entry.dist), "")


def words_of(kind: str, name: str) -> dict[str, str]:
    """What the templates call by ``@WORD@``."""
    distribution = f"ganeti-{_PREFIXES[kind]}-{name.replace('_', '-')}"
    return {
        "KIND": kind, "NAME": name, "TITLE": kind_title(kind), "DISTRIBUTION": distribution,
        "PACKAGE": distribution.replace("-", "_"), "API": str(_api(kind)),
        "CLASS": "".join(part.capitalize() for part in re.split("[-_]", name)),
    }


def _api(kind: str) -> int:
    from ganeti_core.plugin_api.all_kinds import KINDS

    return KINDS[kind].api


def files(kind: str, words: Mapping[str, str]) -> dict[str, str]:
    """The files of the distribution: text by path."""
    source = f"src/{words['PACKAGE']}"
    return {path: _fill(template, words) for path, template in {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{source}/__init__.py": f"{kind}/plugin.py",
        f"{source}/conformance.py": f"{kind}/conformance.py",
        "tests/test_conformance.py": "test_conformance.py",
        ".github/workflows/test.yml": "ci.yml",
    }.items()}


def _fill(template: str, words: Mapping[str, str]) -> str:
    text = (resources.files(__package__) / "templates" / f"{template}.in").read_text()
    return re.sub("@([A-Z]+)@", lambda found: words[found[1]], text)
