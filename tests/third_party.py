"""Distributions of third parties: a module and its metadata in a folder, as an installer leaves it.

A folder of these on the path is what an environment with them installed is, without the seconds
that building takes.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


def install(
    folder: Path, distribution: str, entry_points: Mapping[str, str], source: str,
    version: str = "1.0",
) -> None:
    """Put a distribution into `folder`.

    :param entry_points: ``{"hypervisors:name": "Class"}``, in the one module of the distribution
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    metadata = folder / f"{module}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    lines = []
    for plugin, name in entry_points.items():
        kind, _, plugin_name = plugin.partition(":")
        lines += [f"[ganeti.{kind}]", f"{plugin_name} = {module}:{name}", ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@contextmanager
def present(folder: Path) -> Iterator[None]:
    """Let what was installed into `folder` be there for the programs that are started meanwhile,
    which keep what they find of it to themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield
