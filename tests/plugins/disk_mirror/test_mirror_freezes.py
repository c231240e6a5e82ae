"""How long writes wait for a copy that is lost while no master can be told: as long as is allowed.

Two nodes with real storage daemons and keepers, and no master.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mirror_lab import Writer, number_on
from mirror_pair import at_home, two_nodes
from virtual_cluster import wait_until

from ganeti_core.plugin_api import HookContext, processes, run_command, unix_sockets
from ganeti_core.plugin_api.data import DiskRequest, DiskSpec
from ganeti_core.plugin_api.testing.contexts import declared_settings
from ganeti_core.plugin_api.testing.disk import NODES
from ganeti_plugins.disk_file import FileTemplate
from ganeti_plugins.disk_mirror import MirrorTemplate
from ganeti_plugins.disk_mirror.notes import Note
from ganeti_plugins.disk_mirror.places import Places
from ganeti_plugins.disk_mirror.stores import program_of

FIRST, SECOND = NODES
UUID = "disk-1"
ALLOWED = 8
"""The disk's ``fence-timeout``: time for a second try to tell, and for a look at the other node."""
BLOCK = 4096
FREEZE = 40.0
"""What a busy host may add to it; each question to a silent daemon once took 20 s."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Mapping[str, HookContext]]:
    with two_nodes(tmp_path) as made:
        if program_of(made[FIRST.uuid]) is None or not Path("/dev/fuse").exists():
            pytest.skip("needs qemu-storage-daemon and /dev/fuse")
        yield made


@pytest.fixture
def storage(nodes: Mapping[str, HookContext]) -> Path:
    """A file system of its own for the second node's copy; it goes with the node's mounts."""
    folder = nodes[SECOND.uuid].root / "srv/ganeti/file-storage"
    run_command(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], timeout=30)
    return folder


@pytest.fixture
def places(nodes: Mapping[str, HookContext], storage: Path) -> Places:
    """A disk that both nodes have open, and alike."""
    below = FileTemplate().layout(
        DiskRequest(uuid="below-1", index=0, size=8, instance_name="inst"),
        declared_settings(FileTemplate()))
    disk = at_home(DiskSpec(
        uuid=UUID, index=0, template="mirror", size=8, params={"fence-timeout": ALLOWED},
        instance="inst", nodes=NODES, children=(replace(below, nodes=NODES),),
        granted={"port": 11999, "secret": "known to both"}))
    for node in (SECOND, FIRST):
        MirrorTemplate().create(ctx=nodes[node.uuid], disk=disk.on(node.uuid))
    for node in (SECOND, FIRST):
        MirrorTemplate().open(ctx=nodes[node.uuid], disk=disk.on(node.uuid), exclusive=True)
    found = Places.of(nodes[FIRST.uuid], UUID)
    wait_until(lambda: found.live().get("state") == "linked", "both are alike")
    return found


def generation(places: Places) -> str:
    note = Note.load(places.note)
    assert note is not None
    return note.generation


def test_writes_wait_no_longer_because_their_storage_daemon_does_not_reply(
    nodes: Mapping[str, HookContext], places: Places, storage: Path,
) -> None:
    """It serves one client at a time: who keeps the connection lets all others wait."""
    shared = generation(places)
    writer = Writer(places.device)
    wait_until(lambda: writer.acknowledged > 5, "it writes")
    with unix_sockets.connect(places.qmp, 30) as held:
        assert held.recv(1)
        [store] = processes.kept(nodes[SECOND.uuid])[f"store-{UUID}"].pids
        began = time.monotonic()
        os.kill(store, signal.SIGKILL)
        wait_until(lambda: places.live().get("state") == "frozen", "its loss is noticed")
        wait_until(lambda: generation(places) != shared, "it is decided", 200)
        took = time.monotonic() - began
        assert writer.acknowledged <= number_on(next(storage.rglob("*.disk0")))
    note = Note.load(places.note)
    assert note is not None
    assert note.owed
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known, "writes go on")
    writer.stop()
    assert ALLOWED <= took < FREEZE


def test_a_copy_whose_storage_daemon_is_halted_is_left_behind_and_catches_up(
    nodes: Mapping[str, HookContext], places: Places, storage: Path,
) -> None:
    """Its node is well, and the connection stands; only no write there ends."""
    shared = generation(places)
    writer = Writer(places.device)
    wait_until(lambda: writer.acknowledged > 5, "it writes")
    [store] = processes.kept(nodes[SECOND.uuid])[f"store-{UUID}"].pids
    os.kill(store, signal.SIGSTOP)
    wait_until(lambda: generation(places) != shared, "it is decided", 200)
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known + 5, "writes go on")
    os.kill(store, signal.SIGCONT)
    wait_until(lambda: places.live().get("state") == "linked", "it follows again", 120)
    writer.stop()
    assert number_on(next(storage.rglob("*.disk0"))) >= writer.acknowledged > known


def test_a_connection_that_does_not_hold_does_not_begin_the_wait_again(
    places: Places, storage: Path,
) -> None:
    """Of the other node all is well but its storage, which is full: it takes no write."""
    [copy] = storage.rglob("*.disk0")
    run_command(["fallocate", "--punch-hole", "-o", "0", "-l", "8M", copy], timeout=30)
    with suppress(OSError), (storage / "more").open("wb", buffering=0) as more:
        while more.write(bytes(BLOCK)):
            pass
    shared, written = generation(places), threading.Event()

    def write() -> None:
        disk = os.open(places.device, os.O_RDWR | os.O_SYNC)
        try:
            with suppress(OSError):  # it is still waiting when the nodes are removed
                os.pwrite(disk, b"y" * BLOCK, 0)
                written.set()
        finally:
            os.close(disk)

    threading.Thread(target=write, daemon=True).start()
    wait_until(lambda: places.live().get("state") == "frozen", "its loss is noticed")
    wait_until(lambda: written.is_set() or generation(places) != shared, "it is decided")
    assert generation(places) != shared
    wait_until(written.is_set, "the write is done")
