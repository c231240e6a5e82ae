"""Whether what is installed is what the tree would install; entry points tell of plugins."""

from __future__ import annotations

import configparser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "ganeti-core"
Points = set[tuple[str, str, str]]


def problem(setup: Path) -> str:
    """Say how the installed distribution differs from `setup`, the tree's setup.cfg; empty when it
    does not."""
    declared = configparser.ConfigParser(delimiters=("=",))
    declared.read(setup)
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        return f"{NAME} is not installed"
    if found.version != declared["metadata"]["version"]:
        return f"version {found.version} is installed, not {declared['metadata']['version']}"
    differing = sorted({name for _, name, _ in _declared(declared) ^ _installed(found)})
    if differing:
        return f"the installed entry points are not those of {setup.name} ({', '.join(differing)})"
    return ""


def _declared(declared: configparser.ConfigParser) -> Points:
    return {(group, name.strip(), value.strip())
            for group, lines in declared["options.entry_points"].items()
            for line in lines.split("\n") if line.strip()
            for name, _, value in [line.partition("=")]}


def _installed(found: Distribution) -> Points:
    return {(point.group, point.name, point.value) for point in found.entry_points}
