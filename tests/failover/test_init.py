"""A cluster that cannot be made leaves nothing, so that it can be made after all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_core.bootstrap.init import InitOptions, init_cluster
from ganeti_core.errors import OpPrereqError
from ganeti_core.paths import Paths

OPTIONS = {"cluster_name": "cluster.example.com", "node_name": "node1.example.com",
           "enabled_hypervisors": ("fake",), "shared_file_storage_dir": "/taken/shared"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(
        "127.251.0.1 node1.example.com\n127.251.0.2 cluster.example.com\n")
    return Paths(tmp_path)


def test_what_fails_halfway_can_be_repeated(paths: Paths) -> None:
    (paths.root / "taken").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="taken"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))
    assert not [file for file in paths.data.iterdir() if file.is_file()]

    (paths.root / "taken").unlink()
    assert init_cluster(paths, InitOptions.from_options(OPTIONS)).name == "cluster.example.com"
    with pytest.raises(OpPrereqError, match="already initialised"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))


@pytest.mark.parametrize(("option", "value", "why"), [
    ("secondary_ip", "foo", "'foo' is not a valid IP address"),
    ("mac_prefix", "01:00:00", "Invalid MAC address prefix '01:00:00'"),
    ("file_storage_dir", "disks", "not an absolute, normalized path: 'disks'"),
    ("shared_file_storage_dir", "/srv/../etc", "not an absolute, normalized path"),
])
def test_wrong_options_are_refused(paths: Paths, option: str, value: str, why: str) -> None:
    with pytest.raises(OpPrereqError, match=why):
        init_cluster(paths, InitOptions.from_options({**OPTIONS, option: value}))
    assert not paths.data.exists()
