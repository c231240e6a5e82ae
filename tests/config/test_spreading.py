"""What all nodes have alike is brought to them, also after trouble of the master's own disk."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.config.store import Edit, Store
from ganeti_core.daemons import spreading
from ganeti_core.daemons.spreading import Spreader
from ganeti_core.paths import Paths
from ganeti_core.rpc.calls import Call

sys.path.insert(0, str(Path(__file__).parent))
from cluster_objects import NODE, new_database, open_store


class Nodes:
    """Note what nodes are sent."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.told = threading.Event()

    def call(self, _peer: Any, call: Call, *, owner: str) -> None:
        assert owner == "spreading"
        self.made.append(call)
        if call.service == "node.ssconf" and call.args["values"]:
            self.told.set()

    def abandon(self, _owner: str) -> None:
        """Nothing is under way."""


class Roster:
    def signed(self, _snapshot: Any) -> str:
        return "members"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(new_database(tmp_path))
    yield made
    made.journal.close()


def test_a_round_that_failed_here_is_repeated_without_another_commit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, troubled, well = Nodes(), threading.Event(), threading.Event()
    monkeypatch.setattr(spreading, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(spreading, "PATIENCE", 0.1)
    monkeypatch.setattr(spreading, "ssconf_values", lambda snapshot, _host: {
        "cluster_name": snapshot.cluster.name, "serial": str(snapshot.serial)})

    def keys(_paths: Paths) -> dict[str, bytes]:
        if troubled.is_set() and not well.is_set():
            raise OSError(24, "Too many open files")
        return {}

    monkeypatch.setattr(spreading, "shared_files", keys)
    spreader = Spreader(store, nodes, None, Roster(), print, Paths(tmp_path))  # type: ignore[arg-type]
    spreader.start()
    try:
        assert nodes.told.wait(60)
        troubled.set()
        store.commit([Edit(store.snapshot.cluster, {"queue_drained": True})])
        while not (found := spreader.spread()):
            pass  # what it had before the commit is still being sent
        assert "Too many open files" in found[NODE.name]

        nodes.told.clear()
        well.set()
        assert nodes.told.wait(60)
    finally:
        spreader.stop()
    last = [call for call in nodes.made if call.service == "node.ssconf"][-1]
    assert last.args["values"] == {"serial": str(store.snapshot.serial)}
