"""Measure streams between nodes: a file over TLS on loopback, into another process.

Prints one table: compression, MB/s (the best of the rounds), what each end takes of a processor and
of memory in that round. Run it alone: ``python benchmarks/bench_transfer.py [--size MIB]``. With
``--folder /dev/shm`` the disk has no part in it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.transfer import Receiver, compressions, send
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.member_signatures import signed
from ganeti_core.rpc.members import Member, MemberList, members_file

if TYPE_CHECKING:
    from ganeti_core.plugin_api import HookContext

MIB = 1 << 20
TARGET = 150.0
"""MB/s without compression."""


def make_node(root: Path) -> Paths:
    """A node that is its cluster's only one: it sends to itself."""
    paths = Paths(root)
    paths.make_directories()
    certs.create_authority(paths, "cluster.example.com")
    shown = certs.issue_local(paths, "uuid-1", "node1.example.com")
    certs.write_node_identity(paths, "uuid-1", "node1.example.com", "127.0.0.1", 1)
    member = Member("uuid-1", "node1.example.com", "127.0.0.1", 1, (shown,), candidate=True)
    members_file(paths).write_text(
        signed(MemberList(1, 1, (member,)), certs.Authority.load(paths)))
    return paths


def measure(ctx: HookContext, source: Path, target: Path, compression: str) -> tuple[float, str]:
    """Send once; returns MB/s, and the line of the table.

    The receiver is a child, so that its use of the processor is known.
    """
    megabytes = source.stat().st_size / 1e6
    receiver = Receiver(ctx, target, compression=compression)
    pid = os.fork()
    if pid == 0:
        receiver.run()
        os._exit(0)
    with receiver:
        pass  # the child listens
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    send(ctx, receiver.offer, source, total=source.stat().st_size)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    _, _, used = os.wait4(pid, 0)
    target.unlink()
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return megabytes / took, (
        f"{compression:12} {megabytes / took:8.0f} {1000 * own / megabytes:11.2f} s/GB "
        f"{1000 * (used.ru_utime + used.ru_stime) / megabytes:11.2f} s/GB "
        f"{max(after.ru_maxrss, used.ru_maxrss) // 1024:4} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, metavar="MIB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", metavar="DIR", help="where the files lie for the while")
    options = parser.parse_args()
    size = options.size * MIB
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        paths = make_node(folder / "node")
        ctx = World(LocalNode(NodeIdentity.load(paths), paths), PluginHost()).context("os", "x", {})
        source = folder / "source"
        piece = bytes(range(256)) * 2048 + bytes(512 * 1024)
        with source.open("wb") as file:
            for _ in range(size // MIB):
                file.write(piece)
        print(f"{'compression':12} {'MB/s':>8} {'CPU of sender':>16} {'of receiver':>16} "
              f"{'memory':>8}   (target: {TARGET:g} MB/s without compression)")
        for number, compression in enumerate(compressions()):
            print(max(measure(ctx, source, folder / f"target{number}", compression)
                      for _ in range(options.rounds))[1])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
