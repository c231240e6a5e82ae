"""Which distribution provides an entry point, and which version of it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from ganeti_core.entry_points import Origins

FIELDS = "Metadata-Version: 2.1\nName: My.Plugin\nversion:  1.2\nLicense: a\n   Name: not this\n"
LONG = "\nName: nor this\nVersion: 9\n"
ENTRIES = "[ganeti.collectors]\nmine = mine:Mine\n[other.group]\nmine = mine:Mine\n"


@pytest.mark.parametrize(("folder", "file"), [
    ("my_plugin-1.2.dist-info", "METADATA"), ("my_plugin.egg-info", "PKG-INFO")])
def test_name_and_version_are_those_of_the_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, file: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / file).write_text(FIELDS + LONG)
    (tmp_path / folder / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    origins = Origins()
    assert origins.of("ganeti.collectors", "mine") == [("My.Plugin", "1.2")]
    assert origins.of("other.group", "mine") == []


def test_the_core_provides_what_its_metadata_say() -> None:
    core = metadata.distribution("ganeti-core")
    assert Origins().of("ganeti.collectors", "cpu-avg-load") == [
        (core.metadata["Name"], core.version)]


def test_a_distribution_hides_later_ones_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("my-plugin", "My.Plugin")):
        folder = tmp_path / str(number) / "my_plugin-1.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {number}\n\n")
        (folder / "entry_points.txt").write_text(ENTRIES)
        monkeypatch.syspath_prepend(folder.parent)
    assert Origins().of("ganeti.collectors", "mine") == [("My.Plugin", "1")]
