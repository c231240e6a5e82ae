"""A watcher that sees a guest run on two nodes at once, however short."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from fault_cluster import RUNS, FaultCluster


class Watch:
    """Looks at all nodes' guests all the time: ``with Watch(cluster) as watch``."""

    def __init__(self, cluster: FaultCluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.seen: list[str] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            # One look at all nodes takes a moment in which a guest may move: what two looks in a
            # row both show was there in between.
            first, second = self._running(), self._running()
            for name in {guest for _, guest in first}:
                nodes = {node for node, guest in first & second if guest == name}
                if len(nodes) > 1:
                    self.seen.append(f"{name} runs on {sorted(nodes)}")
            time.sleep(0.01)

    def _running(self) -> set[tuple[str, str]]:
        return {(node, name) for node, guests in self._cluster.guests().items()
                for name, state in guests.items() if state in RUNS}
