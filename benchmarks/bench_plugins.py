"""Measure what the isolation of plugins costs: a read-only hook in a worker process, and in this;
a hook of the master that a third party provides, in its process beside it.

Prints one table: what, median and 90th percentile. Run it alone:
``python benchmarks/bench_plugins.py [--calls N]``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.hooks import HookRequest, hook_envelope
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.running import RunningCall
from ganeti_core.node.workers import Workers
from ganeti_core.node.world import World
from ganeti_core.operations.master_hooks import MasterHooks
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import Description, HypervisorError, hookimpl
from ganeti_core.plugin_api.data import DiskSpec, HostFacts, RunningInstance
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_files import FOLDER
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET_MS = 0.3
GUESTS = 40
FAR = """
from ganeti_core.plugin_api import hookimpl
from ganeti_plugins.disk_file import FileTemplate as _File

PLUGIN = "disk_templates:far"


class Far(_File):
    @hookimpl
    def identity(self, disk):
        return disk.uuid
"""


class Idle:
    """Returns constants."""

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="Idle")

    @hookimpl
    def host_facts(self) -> HostFacts:
        return HostFacts(1024, 512, 512, 2)

    @hookimpl
    def running(self) -> list[RunningInstance]:
        return [RunningInstance(f"instance{number}.example.com", str(number), "running", 512, 1)
                for number in range(GUESTS)]

    @hookimpl
    def validate(self) -> None:
        return None

    @hookimpl
    def verify(self) -> list[str]:
        return []

    @hookimpl
    def info(self) -> None:
        return None

    @hookimpl
    def start(self) -> None:
        raise HypervisorError("idle")

    stop = reboot = console = recover = start


def measure(calls: int, call: Callable[[], Any]) -> list[float]:
    """The times of many calls, in ms."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return times


def show(what: str, times: list[float]) -> float:
    median = statistics.median(times)
    print(f"{what:<58} {median:8.3f} {statistics.quantiles(times, n=10)[-1]:8.3f}")
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        host = PluginHost()
        host.add(HYPERVISORS, "idle", Idle())
        paths = Paths(Path(folder))
        paths.make_directories()
        local = LocalNode(NodeIdentity("u-1", "node1.example.com", "127.0.0.1", 1811), paths)
        workers = Workers(ForkServer.fork(local, host), lambda: ForkServer.fork(local, host))
        try:
            compare(calls, World(local, host), workers)
        finally:
            workers.close()
    with tempfile.TemporaryDirectory() as folder:
        on_master(calls, Path(folder))


def on_master(calls: int, root: Path) -> None:
    """Measure `identity` of a disk template that lies in a plugin file."""
    file = root / FOLDER / "far.py"
    file.parent.mkdir(mode=0o755, parents=True)
    file.write_text(FAR)
    file.chmod(0o644)
    host = PluginHost()
    host.load([DISK_TEMPLATES])
    host.refresh_sources(root, {})
    hooks = MasterHooks(host, root, root, dict)

    def identity(template: str) -> Callable[[], Any]:
        disk = DiskSpec("d1", 0, template, 8, ("loop", "/srv/d1"))
        return lambda: hooks.call(DISK_TEMPLATES, template, "identity", disk=disk)

    try:
        identity("far")()
        direct = show("identity of the core's own template, in the master",
                      measure(calls, identity("file")))
        apart = show("identity of a third party's, beside it", measure(calls, identity("far")))
        print(f"  added: {apart - direct:.3f} ms (target: at most {TARGET_MS} ms)")
    finally:
        hooks.close()


def compare(calls: int, world: World, workers: Workers) -> None:
    def in_worker(request: HookRequest) -> None:
        envelope = workers.run(
            request, RunningCall("bench", time.monotonic() + 60), lambda _: None)
        assert "ok" in envelope, envelope

    print(f"{'milliseconds per call':<58} {'median':>8} {'90%':>8}")
    for hook in ("host_facts", "running"):
        request = HookRequest("hypervisors", "idle", hook, {}, {})
        direct = show(f"{hook} in this process",
                      measure(calls, lambda request=request: hook_envelope(world, request)))
        in_worker(request)
        apart = show(f"{hook} in a worker process",
                     measure(calls, lambda request=request: in_worker(request)))
        print(f"  added: {apart - direct:.3f} ms (target: at most {TARGET_MS} ms)")
    request = HookRequest("hypervisors", "idle", "host_facts", {}, {})
    with ThreadPoolExecutor(4) as threads:
        began = time.perf_counter()
        list(threads.map(lambda _: in_worker(request), range(calls)))
        each = (time.perf_counter() - began) * 1000 / calls
    print(f"{'host_facts by 4 threads, in workers: time / calls':<58} {each:8.3f}")


if __name__ == "__main__":
    main()
