"""How long the monitoring daemon takes for an answer, and how much memory it needs.

``python benchmarks/bench_mond.py [--instances N]``: the text of metrics with 20,000 samples, made
from new reports and sent again; then the server of the daemon over loopback: one report, all
metrics, and what it needs while nobody asks. The reports are made up; nothing runs beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import signal
import socket
import statistics
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

from ganeti_core.daemons.mond import App, Mond
from ganeti_core.mond.exposition import lines_of, page
from ganeti_core.mond.pages import Sources
from ganeti_core.mond.reports import Reports
from ganeti_core.node.published import Published, publish
from ganeti_core.plugin_api.data import Metric
from ganeti_core.rpc.identity import NodeIdentity

SAMPLES = 20_000
IDLE_SECONDS = 20
METRICS = tuple(Metric(f"ganeti_bench_{number}", "gauge", "A figure", ("instance", "hypervisor"))
                for number in range(10))


def samples(instances: int) -> dict[str, list[list[object]]]:
    return {metric.name: [[f"inst{number}.example.com", "kvm", number * 1.5]
                          for number in range(instances)] for metric in METRICS}


def text() -> None:
    found = samples(SAMPLES // len(METRICS))
    taken = []
    for _ in range(20):
        began = time.process_time()
        page([lines_of(METRICS, found)])
        taken.append(time.process_time() - began)
    print(f"text of {SAMPLES:,} samples: first {taken[0] * 1000:.1f} ms, then "
          f"{statistics.median(taken[1:]) * 1000:.1f} ms of a processor")


def fill(root: Path, instances: int) -> Path:
    folder = root / "reports"
    for name in ("cpu-avg-load", "diskstats", "inst-status", "lv", "node-pressure"):
        publish(folder, Published(name, "", 0, 5.0, {
            "name": name, "version": "B", "format_version": 1, "timestamp": time.time_ns(),
            "category": None, "kind": 0, "data": {"cpus": [0.5] * 64}}, ""))
    publish(folder, Published("guests", "", 0, 5.0, None, "", METRICS, samples(instances)))
    return folder


def server(root: Path, instances: int, count: int) -> None:
    folder = fill(root, instances)
    paths = SimpleNamespace(data=root, reports=folder)
    NodeIdentity("u", "node1", "127.0.0.1", 1).save(paths)  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    child = os.fork()
    if child == 0:
        try:
            sources = Sources(Reports(folder).all, lambda: "c", lambda: "node1", "node1")
            process = SimpleNamespace(supervisor=SimpleNamespace(lives=lambda: None),
                                      ready=lambda: None)
            asyncio.run(Mond(paths, App(sources)).serve(listener, process))  # type: ignore[arg-type]
        except BaseException:  # noqa: BLE001  # the end of this process
            traceback.print_exc()
        os._exit(1)
    listener_name = listener.getsockname()
    listener.close()
    try:
        client = http.client.HTTPConnection(*listener_name, timeout=10)
        for path, times in (("/1/report/default/cpu-avg-load", count), ("/metrics", 50)):
            taken, size = [], 0
            for _ in range(times):
                began = time.perf_counter()
                client.request("GET", path)
                size = len(client.getresponse().read())
                taken.append(time.perf_counter() - began)
            print(f"{path} ({size:,} bytes): median {statistics.median(taken) * 1000:.2f} ms, "
                  f"longest {max(taken) * 1000:.2f} ms")
        status = Path(f"/proc/{child}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        print(f"memory with {instances:,} instances: {resident.split(':')[1].strip()}")
        before = processor_seconds(child)
        time.sleep(IDLE_SECONDS)
        share = (processor_seconds(child) - before) / IDLE_SECONDS
        print(f"idle for {IDLE_SECONDS} s: {share:.2%} of a processor")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def processor_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=50)
    parser.add_argument("--count", type=int, default=2000)
    options = parser.parse_args()
    text()
    with tempfile.TemporaryDirectory() as root:
        server(Path(root), options.instances, options.count)


if __name__ == "__main__":
    main()
