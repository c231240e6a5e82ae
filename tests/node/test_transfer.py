"""Streams between two nodes over TLS: whole or not at all, for members, once per token."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from member_lists import write_members
from one_node import alive, eventually

from ganeti_core.errors import OpPrereqError
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.services import disks, exports
from ganeti_core.node.world import World
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import HookContext, keepalive, stream_frames
from ganeti_core.plugin_api.processes import kept
from ganeti_core.plugin_api.stream_ends import VERSION, shake
from ganeti_core.plugin_api.transfer import (
    Giver,
    Limits,
    Offer,
    Progress,
    Receiver,
    StreamFailed,
    begin_giver,
    begin_receiver,
    compressions,
    end_giver,
    end_receiver,
    receive,
    receiver_progress,
    send,
    to_job,
)
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import fingerprint_of

SIZE = 9_000_001
SOON = Limits(offered=30.0, stall=15.0, all=60.0)
SEND = """
import logging, sys, time
from pathlib import Path
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.paths import Paths
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.plugin_api.transfer import Offer, send
paths = Paths(Path(sys.argv[1]))
ctx = World(LocalNode(NodeIdentity.load(paths), paths), PluginHost()).context("os", "mine", {})
def endless():
    while True:
        yield bytes(1 << 16)
        time.sleep(0.001)
send(ctx, Offer(sys.argv[2], int(sys.argv[3]), sys.argv[4]), endless())
"""


def make_node(root: Path, number: int, authority: Paths | None = None) -> Paths:
    paths = Paths(root / f"node{number}")
    paths.make_directories()
    if authority is None:
        certs.create_authority(paths, "cluster.example.com")
    else:
        for name in ("ca_key", "ca_certificate"):
            shutil.copy(getattr(authority, name), getattr(paths, name))
    certs.issue_local(paths, f"uuid-{number}", f"node{number}.example.com")
    certs.write_node_identity(
        paths, f"uuid-{number}", f"node{number}.example.com", "127.0.0.1", 1)
    return paths


def context(paths: Paths) -> HookContext:
    return World(LocalNode(NodeIdentity.load(paths), paths), PluginHost()).context("os", "mine", {})


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[HookContext, HookContext]:
    """The sender and the receiver."""
    one = make_node(tmp_path, 1)
    two = make_node(tmp_path, 2, one)
    members = [fingerprint_of(paths.node_certificate) for paths in (one, two)]
    for paths in (one, two):
        write_members(paths, members)
    return context(one), context(two)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture(scope="module")
def content() -> bytes:
    half = random.Random(7).randbytes(SIZE // 2)
    return half + bytes(SIZE - len(half))


def receiving(
    threads: ThreadPoolExecutor, ctx: HookContext, sink: Any, **options: Any
) -> tuple[Offer, Future[int]]:
    options.setdefault("limits", SOON)
    receiver = Receiver(ctx, sink, **options)

    def run() -> int:
        with receiver:
            return receiver.run()

    return receiver.offer, threads.submit(run)


def giving(
    threads: ThreadPoolExecutor, ctx: HookContext, source: Any, **options: Any
) -> tuple[Offer, Future[int]]:
    giver = Giver(ctx, source, limits=SOON, **options)

    def run() -> int:
        with giver:
            return giver.run()

    return giver.offer, threads.submit(run)


def test_this_machine_knows_every_compression() -> None:
    """The others run none of those that it does not know."""
    assert compressions() == ["none", "gzip", "gzip-fast", "gzip-slow", "zstd"]


@pytest.mark.parametrize("compression", compressions())
def test_what_is_given_arrives_whole(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, content: bytes,
    compression: str, tmp_path: Path,
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    came: list[Progress] = []
    offer, done = giving(threads, nodes[0], source, total=SIZE, compression=compression)
    assert receive(nodes[1], offer, target, progress=came.append) == done.result(30) == SIZE
    assert target.read_bytes() == content
    assert came[0].total == SIZE
    assert came[-1] == Progress("done", SIZE, SIZE)


def test_a_giver_that_fails_leaves_nothing(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("the disk is broken")

    offer, done = giving(threads, nodes[0], failing())
    with pytest.raises(StreamFailed, match="the source failed: ValueError"):
        receive(nodes[1], offer, tmp_path / "target")
    with pytest.raises(ValueError, match="broken"):
        done.result(30)
    assert not (tmp_path / "target").exists()


def test_who_offers_to_take_gives_nothing_and_the_other_way_round(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    taken, took = receiving(threads, nodes[1], tmp_path / "target")
    with pytest.raises(StreamFailed, match="this offer is to take a stream"):
        receive(nodes[0], taken, tmp_path / "other")
    assert send(nodes[0], taken, [b"good"]) == took.result(30) == 4
    given, gave = giving(threads, nodes[0], [b"secret"])
    with pytest.raises(StreamFailed, match="this offer is to give a stream"):
        send(nodes[1], given, [b"evil"])
    assert receive(nodes[1], given, tmp_path / "other") == gave.result(30) == 6


def test_a_broken_stream_is_not_resumed(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """A later version may ask for it; the refusal says what to do, and the token stays good."""
    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    raw = socket.create_connection((offer.address, offer.port), 15)
    wire = shake(raw, nodes[0].endpoint().client_context(), SOON, server=False)
    with wire.sock:
        wire.say({"version": VERSION, "token": offer.token, "compression": "none",
                  "total": 100, "offset": 50})
        with pytest.raises(StreamFailed, match="cannot be resumed: begin it again"):
            wire.hear()
    assert send(nodes[0], offer, [b"good"]) == done.result(30) == 4


def test_a_caller_that_gives_up_does_not_free_the_token_of_another(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    mute, first, second = (shake(
        socket.create_connection((offer.address, offer.port), 15),
        nodes[0].endpoint().client_context(), SOON, server=False) for _ in range(3))
    header = {"version": VERSION, "token": offer.token, "compression": "none", "total": 4}
    first.say(header)
    assert first.hear() == {"go": True}
    mute.sock.close()
    assert eventually(lambda: [  # its thread has seen that, and the second caller's waits
        "_admit" in one.name for one in threading.enumerate()].count(True) == 1)
    second.say(header)
    with second.sock, pytest.raises(StreamFailed, match="the token of this offer was used"):
        second.hear()
    with first.sock:
        for piece in (b"good", b""):
            first.send(piece)
        first.say({"sent": 4})
        assert first.hear() == {"done": 4}
    assert done.result(30) == 4


def test_a_giver_outlives_its_hook(
    nodes: tuple[HookContext, HookContext], content: bytes, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    offer = begin_giver(nodes[0], "mine", source, compression="gzip", limits=SOON)
    assert receive(nodes[1], offer, tmp_path / "target") == SIZE
    assert (tmp_path / "target").read_bytes() == content
    assert eventually(lambda: not kept(nodes[0]))
    again = begin_giver(nodes[0], "mine", source, limits=SOON)
    end_giver(nodes[0], "mine")
    with pytest.raises(StreamFailed, match="takes no stream"):
        receive(nodes[1], again, tmp_path / "other")
    with pytest.raises(OpPrereqError, match="missing to give"):
        begin_giver(nodes[0], "mine", tmp_path / "missing")


def test_a_giver_gives_all_of_a_device_that_is_larger_than_its_disk(
    nodes: tuple[HookContext, HookContext], content: bytes, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    offer = begin_giver(nodes[0], "mine", source, limits=SOON, size=SIZE - 1000)
    assert receive(nodes[1], offer, tmp_path / "target") == SIZE
    assert (tmp_path / "target").read_bytes() == content


def test_the_job_hears_of_a_long_stream_now_and_then(
    nodes: tuple[HookContext, HookContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    told: list[str] = []
    report = to_job(replace(nodes[0], feedback=told.append), "disk/0")
    for second in range(1, 21):
        now = 100.0 + second
        report(Progress("active", second << 20, 40 << 20))
    assert told == ["disk/0: 10 MiB, 1.0 MiB/s, 25%, 30 s left",
                    "disk/0: 20 MiB, 1.0 MiB/s, 50%, 20 s left"]


@pytest.mark.parametrize("compression", compressions())
def test_what_was_sent_arrives_whole(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, content: bytes,
    compression: str, tmp_path: Path,
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    sent: list[Progress] = []
    came: list[Progress] = []
    offer, done = receiving(threads, nodes[1], target, compression=compression,
                          progress=came.append)
    assert send(nodes[0], offer, source, total=SIZE, progress=sent.append) == SIZE
    assert done.result(30) == SIZE
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert came[0].state == "offered"
    for reports in (sent, came[1:]):
        counts = [one.transferred for one in reports]
        assert counts == sorted(counts)
        assert reports[0] == Progress("active", counts[0], SIZE)
        assert reports[-1] == Progress("done", SIZE, SIZE)


@pytest.mark.parametrize("pieces", [[], [b"", b"x"], [b"a" * 3_000_000, b"b"]], ids=len)
def test_pieces_go_to_a_function(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, pieces: list[bytes]
) -> None:
    found = bytearray()
    offer, done = receiving(threads, nodes[1], found.extend)
    assert send(nodes[0], offer, pieces) == done.result(30) == len(b"".join(pieces))
    assert bytes(found) == b"".join(pieces)


def test_a_descriptor_is_read_to_its_end(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor
) -> None:
    found = bytearray()
    offer, _ = receiving(threads, nodes[1], found.extend)
    with subprocess.Popen(["echo", "hello"], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert send(nodes[0], offer, program.stdout.fileno()) == 6
    assert bytes(found) == b"hello\n"


def test_a_wrong_token_is_refused_and_the_right_one_works_once(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    with pytest.raises(StreamFailed, match="the token is not the one of this offer"):
        send(nodes[0], replace(offer, token="guessed"), [b"evil"])
    assert send(nodes[0], offer, [b"good"]) == 4
    assert done.result(30) == 4
    with pytest.raises(StreamFailed, match="takes no stream"):
        send(nodes[0], offer, [b"again"])
    assert (tmp_path / "target").read_bytes() == b"good"
    assert offer.token not in repr(offer)


def test_while_one_sends_the_token_is_used(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor
) -> None:
    going, go = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        going.set()
        assert go.wait(30)
        yield b"first"

    offer, done = receiving(threads, nodes[1], lambda data: None)
    first = threads.submit(send, nodes[0], offer, pieces())
    assert going.wait(30)
    with pytest.raises(StreamFailed, match=r"takes no stream|token of this offer was used|lost"):
        send(nodes[0], offer, [b"second"])
    go.set()
    assert first.result(30) == done.result(30) == 5


def test_who_hangs_up_at_once_leaves_no_socket_open() -> None:
    """`ssl` wraps a connection that is gone, finds that out, and forgets what it had wrapped."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()
        assert select.select([raw], [], [], 60)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(OSError, match=r"not connected|reset"):
                shake(raw, ssl.create_default_context(), Limits(), server=False)
            gc.collect()
        assert raw.fileno() == -1


@pytest.mark.parametrize("stranger", ["of another authority", "that was removed"])
def test_a_strangers_certificate_is_refused(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path,
    stranger: str,
) -> None:
    ours = Paths(nodes[1].root)
    paths = make_node(tmp_path / "elsewhere", 3, ours if stranger == "that was removed" else None)
    if stranger == "that was removed":
        members = [fingerprint_of(one.node_certificate) for one in (
            paths, Paths(nodes[0].root), ours)]
        write_members(paths, members)
    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    with pytest.raises(StreamFailed):
        send(context(paths), offer, [b"evil"])
    assert send(nodes[0], offer, [b"good"]) == done.result(30) == 4


def test_a_sender_gives_no_token_to_a_stranger(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """A removed node that listens at a member's old address."""
    write_members(Paths(nodes[0].root), [
        fingerprint_of(Paths(nodes[0].root).node_certificate)])
    offer, done = receiving(threads, nodes[1], tmp_path / "target",
                          limits=replace(SOON, offered=1.0))
    with pytest.raises(StreamFailed, match="certificate of no node of this cluster"):
        send(nodes[0], offer, [b"secret"])
    with pytest.raises(StreamFailed, match="nobody sent in 1 seconds"):
        done.result(30)


def endless(began: threading.Event) -> Iterator[bytes]:
    while True:
        yield bytes(1 << 18)
        began.set()


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_either_side_can_abort(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path, side: str
) -> None:
    stop, began = threading.Event(), threading.Event()
    sender, receiver = nodes
    if side == "sender":
        sender = replace(sender, cancelled=stop.is_set)
    else:
        receiver = replace(receiver, cancelled=stop.is_set)
    offer, done = receiving(threads, receiver, tmp_path / "target")
    sending = threads.submit(send, sender, offer, endless(began))
    assert began.wait(30)
    stop.set()
    for end in (sending, done):
        with pytest.raises(StreamFailed, match=f"the {side} was cancelled"):
            end.result(30)
    assert list(tmp_path.glob("target*")) == []


def test_a_source_that_fails_leaves_nothing(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("the disk is broken")

    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    with pytest.raises(ValueError, match="broken"):
        send(nodes[0], offer, failing())
    with pytest.raises(StreamFailed, match="the source failed: ValueError"):
        done.result(30)
    assert not (tmp_path / "target").exists()


def test_who_stalls_is_not_awaited_for_ever(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    over = threading.Event()

    def stalled() -> Iterator[bytes]:
        yield b"half"
        over.wait(30)

    offer, done = receiving(threads, nodes[1], tmp_path / "target", limits=replace(SOON, stall=0.5))
    sending = threads.submit(send, nodes[0], offer, stalled())
    with pytest.raises(StreamFailed, match=r"nothing came for 0\.5 seconds"):
        done.result(30)
    over.set()
    with pytest.raises(StreamFailed):
        sending.result(30)
    assert not (tmp_path / "target").exists()


def test_who_pauses_longer_than_the_kernel_waits_for_a_dead_host_is_awaited(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that makes a file system before it reads, storage that flushes what it was given."""
    monkeypatch.setattr(keepalive, "SILENCE", 0.5)
    monkeypatch.setattr(stream_frames, "SILENCE", 0.5)
    monkeypatch.setattr(stream_frames, "LOOK_SECONDS", 0.2)
    paused: list[bool] = []

    def sink(data: memoryview) -> int:
        if not paused:
            paused.append(threading.Event().wait(4.0))
        return len(data)

    patient = replace(SOON, stall=60.0)
    offer, done = receiving(threads, nodes[1], sink, limits=patient)
    # More than the kernel takes for a reader that does not read.
    assert send(nodes[0], offer, (bytes(1 << 20) for _ in range(40)), limits=patient) == 40 << 20
    assert done.result(60) == 40 << 20


def test_an_end_waits_as_long_as_the_other_one_may_take() -> None:
    """The end of an export is sent once the other node's disk has all of it: that takes minutes."""
    assert Limits().stall == disks.PATIENT.stall == exports.PATIENT.stall >= 600


def test_a_host_that_acknowledges_nothing_is_not_awaited(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_frames, "SILENCE", 0.1)
    monkeypatch.setattr(stream_frames, "LOOK_SECONDS", 0.1)
    go = threading.Event()
    offer, done = receiving(threads, nodes[1], lambda data: len(data) * go.wait(60))
    looked: list[bool] = []

    def dead(sock: socket.socket) -> bool:
        looked.append(keepalive.is_dead(sock))
        return len(looked) > 2

    monkeypatch.setattr(stream_frames, "is_dead", dead)
    with pytest.raises(StreamFailed, match="host of the other side does not answer"):
        send(nodes[0], offer, (bytes(1 << 20) for _ in range(40)), limits=SOON)
    go.set()
    with pytest.raises(StreamFailed):
        done.result(60)
    assert looked == [False] * 3, "one that lives is taken for dead"


@pytest.mark.parametrize(("probes", "unacked", "silent", "dead"), [
    (0, 0, 3_600_000, False), (0, 3, 29_000, False), (0, 3, 31_000, True), (1, 0, 90_000, False),
    (4, 0, 90_000, True)])
def test_what_the_kernel_knows_of_a_dead_host(
    probes: int, unacked: int, silent: int, dead: bool
) -> None:
    class Asked:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
            return struct.pack("8B13I", 1, 0, 0, probes, *bytes(4), *[7] * 4, unacked, *[7] * 7,
                               silent)[:size]

    assert keepalive.is_dead(Asked()) == dead  # type: ignore[arg-type]  # as much of one as it asks


def test_what_is_there_is_not_written_over(
    nodes: tuple[HookContext, HookContext], threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    (tmp_path / "target").write_text("mine")
    offer, done = receiving(threads, nodes[1], tmp_path / "target")
    with pytest.raises(StreamFailed, match="exists"):
        send(nodes[0], offer, [b"x" * 100] * 5)
    with pytest.raises(OpPrereqError, match="exists"):
        done.result(30)
    assert (tmp_path / "target").read_text() == "mine"


def test_an_unknown_compression_is_refused_by_name(
    nodes: tuple[HookContext, HookContext], tmp_path: Path
) -> None:
    with pytest.raises(OpPrereqError, match=r"no compression 'lzop'.*none, gzip"):
        Receiver(nodes[1], tmp_path / "target", compression="lzop")


def a_sender(paths: Paths, offer: Offer) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SEND, str(paths.root), offer.address,
                             str(offer.port), offer.token])


def active(ctx: HookContext) -> Callable[[], bool]:
    return lambda: receiver_progress(ctx, "mine").transferred > 0


def test_a_receiver_outlives_its_hook(
    nodes: tuple[HookContext, HookContext], content: bytes, tmp_path: Path
) -> None:
    assert receiver_progress(nodes[1], "mine") == Progress("none")
    offer = begin_receiver(nodes[1], "mine", tmp_path / "target", limits=SOON)
    assert receiver_progress(nodes[1], "mine").state == "offered"
    assert send(nodes[0], offer, [content], total=SIZE) == SIZE
    assert receiver_progress(nodes[1], "mine") == Progress("done", SIZE, SIZE)
    assert (tmp_path / "target").read_bytes() == content
    assert eventually(lambda: not kept(nodes[1]))
    end_receiver(nodes[1], "mine")
    assert receiver_progress(nodes[1], "mine") == Progress("none")


def test_a_killed_sender_leaves_nothing(
    nodes: tuple[HookContext, HookContext], tmp_path: Path
) -> None:
    offer = begin_receiver(nodes[1], "mine", tmp_path / "target", limits=SOON)
    with a_sender(Paths(nodes[0].root), offer) as sender:
        assert eventually(active(nodes[1]), 30)
        sender.kill()
    assert eventually(lambda: receiver_progress(nodes[1], "mine").state == "failed", 30)
    assert "ended" in receiver_progress(nodes[1], "mine").message
    assert list(tmp_path.glob("target*")) == []


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_a_killed_receiver_leaves_nothing(
    nodes: tuple[HookContext, HookContext], tmp_path: Path, how: str
) -> None:
    offer = begin_receiver(nodes[1], "mine", tmp_path / "target", limits=SOON)
    with a_sender(Paths(nodes[0].root), offer) as sender:
        assert eventually(active(nodes[1]), 30)
        (receiver,) = kept(nodes[1])["receiver-mine"].pids[:1]
        if how == "killed":
            os.kill(receiver, signal.SIGKILL)
            assert eventually(lambda: not alive(receiver))
            assert receiver_progress(nodes[1], "mine").message == "the receiver was killed"
        else:
            end_receiver(nodes[1], "mine")
            assert receiver_progress(nodes[1], "mine") == Progress("none")
        assert sender.wait(30) == 1
    assert list(tmp_path.glob("target*")) == []
