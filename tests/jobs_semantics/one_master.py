"""A master in the test's process: its real parts, one node that is never called."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganeti_core.bootstrap.init import InitOptions, init_cluster
from ganeti_core.config.store import Put
from ganeti_core.daemons.masterd import MasterDaemon
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.paths import Paths

NO_OP = {"OP_ID": "OP_TEST_DELAY", "duration": 1e-6, "on_master": True, "on_nodes": [],
         "reason": []}
PATIENCE = 60.0


def delay(seconds: float = 60.0, **more: Any) -> dict[str, Any]:
    return {**NO_OP, "duration": seconds, **more}


def reason(text: str, source: str = "test") -> list[list[Any]]:
    return [[source, text, 1]]


@dataclass
class OneMaster:
    """A running master; `restart` is a stop and a start on the same database."""

    paths: Paths
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(PATIENCE), "the master does not start"
        self.client = LuxiClient(self.paths.master_socket)

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.daemon = MasterDaemon(self.paths, self.loop, self._stop)
        await self.daemon.run(self._ready.set)

    def stop(self) -> None:
        self.client.close()
        self.loop.call_soon_threadsafe(self._stop.set)
        assert self._thread is not None
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the master does not stop"

    def restart(self) -> None:
        self.stop()
        self.start()

    def configure(self, **values: Any) -> None:
        """Change the cluster object while the master runs."""
        cluster = self.daemon.store.snapshot.cluster
        self.daemon.store.commit([Put(replace(cluster, **values))])

    def submit(self, *ops: dict[str, Any]) -> int:
        return self.client.submit_job(list(ops))

    def field(self, job: int, name: str) -> Any:
        return self.client.query_jobs([job], [name])[0][0]

    def status(self, job: int) -> str:
        return str(self.field(job, "status"))

    def statuses(self, jobs: Sequence[int]) -> list[str]:
        return [row[0] for row in self.client.query_jobs(list(jobs), ["status"])]

    def wait(self, job: int, *wanted: str) -> str:
        """Wait until the job has one of these states, or is finished."""
        states = wanted or ("success", "error", "canceled")
        self.until(lambda: self.status(job) in states, f"job {job} becomes {states}")
        return self.status(job)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (answer := condition()):
            assert time.monotonic() < end, f"not in {PATIENCE:g} s: {what}"
            time.sleep(0.005)
        return answer

    def settle(self) -> None:
        """Wait until the master has looked at everything that was told to it."""
        for _ in range(3):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(PATIENCE)

    def cancel_all(self) -> None:
        for job, status in self.client.query_jobs([], ["id", "status"]):
            if status not in ("success", "error", "canceled"):
                self.client.call("CancelJob", job, False)
                self.wait(job)

    def explain(self, job: int) -> list[str]:
        return list(self.client.call("ExplainJob", job))


@contextmanager
def one_master(root: Path) -> Iterator[OneMaster]:
    """Make a cluster in `root` and run its master."""
    hosts = root / "etc" / "hosts"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text("127.251.0.1 node1.example.com\n127.251.0.2 cluster.example.com\n")
    paths = Paths(root)
    init_cluster(paths, InitOptions(
        "cluster.example.com", node_name="node1.example.com", settings={
            "enabled_hypervisors": ["fake"], "enabled_disk_templates": ["diskless"]}))
    master = OneMaster(paths)
    master.start()
    try:
        yield master
    finally:
        master.cancel_all()
        master.stop()
