"""``config.data`` beside the database: an export that follows it; a foreign file is kept."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.bootstrap.init import InitOptions, init_cluster
from ganeti_core.config.ganeti_format import read_config
from ganeti_core.config.journal import Journal
from ganeti_core.config.replica import Replica
from ganeti_core.config.store import Put, Store
from ganeti_core.model import Cluster
from ganeti_core.node.config_export import ConfigFile, is_export
from ganeti_core.node.services.cluster_files import remove_cluster_data
from ganeti_core.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(
        "127.251.0.1 node1.example.com\n127.251.0.2 cluster.example.com\n")
    paths = Paths(tmp_path)
    init_cluster(paths, InitOptions("cluster.example.com", node_name="node1.example.com",
                                    settings={"enabled_hypervisors": ["fake"]}))
    return paths


def exported(paths: Paths) -> Cluster:
    data = json.loads(paths.config_data.read_text())
    return next(one for one in read_config(data) if isinstance(one, Cluster))


def change(paths: Paths, **values: object) -> None:
    journal = Journal(paths.database)
    try:
        store = Store(journal)
        store.commit([Put(replace(store.snapshot.cluster, **values))])
    finally:
        journal.close()


def test_it_follows_the_database(paths: Paths) -> None:
    file = ConfigFile(paths, Replica(paths.database))
    assert file.refresh()
    assert exported(paths).max_running_jobs == 20
    assert paths.config_data.stat().st_mode & 0o777 == 0o640
    assert not file.refresh(), "nothing has changed"
    change(paths, max_running_jobs=7)
    assert file.refresh()
    assert exported(paths).max_running_jobs == 7
    assert "Nothing of this cluster reads it" in (
        paths.config_data.with_name("config.data.note").read_text())


def test_a_file_that_rests_is_not_opened(paths: Paths) -> None:
    """Every node looks twice a second, most of the time for nothing."""
    opened = 0

    class Counting(Replica):
        def configuration(self, known: tuple[int, int] | None) -> Any:
            nonlocal opened
            opened += 1
            return super().configuration(known)

    file = ConfigFile(paths, Counting(paths.database))
    assert file.refresh()
    rests_since_long(paths)
    assert not file.refresh()
    before = opened
    assert not file.refresh()
    assert opened == before
    change(paths, max_running_jobs=7)
    assert file.refresh()
    assert exported(paths).max_running_jobs == 7


def test_what_is_written_at_one_moment_is_all_seen(paths: Paths) -> None:
    file = ConfigFile(paths, Replica(paths.database))
    for number in range(1, 12):
        change(paths, max_running_jobs=number)
        assert file.refresh(), "two changes may leave a file of one size and time"


def test_an_export_that_could_not_be_written_is_tried_again(paths: Paths) -> None:
    file = ConfigFile(paths, Replica(paths.database))
    rests_since_long(paths)
    paths.config_data.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            file.refresh()
    paths.config_data.rmdir()
    assert file.refresh()


def rests_since_long(paths: Paths) -> None:
    for one in paths.database.parent.glob(f"{paths.database.name}*"):
        os.utime(one, (1e9, 1e9))


def test_a_daemon_that_starts_again_replaces_its_own_file(paths: Paths) -> None:
    for _ in range(2):
        assert ConfigFile(paths, Replica(paths.database)).refresh()
    assert [file.name for file in paths.data.glob("config.data*")
            if file.name.startswith("config.data.ganeti")] == []


def test_a_file_of_ganeti_is_kept(paths: Paths) -> None:
    paths.config_data.write_text('{"version": 3000000}')
    assert not is_export(paths)
    file = ConfigFile(paths, Replica(paths.database))
    assert file.refresh()
    kept = paths.data / "config.data.ganeti-1"
    assert kept.read_text() == '{"version": 3000000}'
    change(paths, max_running_jobs=7)
    assert file.refresh()
    assert sorted(one.name for one in paths.data.glob("config.data.ganeti-*")) == [kept.name]


def test_who_has_no_copy_has_no_export(paths: Paths) -> None:
    replica = Replica(paths.database)
    file = ConfigFile(paths, replica)
    file.refresh()
    replica.forget()
    assert not file.refresh()
    assert not list(paths.data.glob("config.data*"))
    paths.config_data.write_text("of Ganeti")
    assert not file.refresh()
    assert paths.config_data.read_text() == "of Ganeti"


def test_who_leaves_the_cluster_keeps_no_export(paths: Paths) -> None:
    ConfigFile(paths, Replica(paths.database)).refresh()
    remove_cluster_data(paths)
    assert not list(paths.data.glob("config.data*"))
