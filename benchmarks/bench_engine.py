"""Measure the job engine: throughput, latency, submission to a long queue, memory, the store.

Prints one table: what, measured, floor, target, the same of Ganeti 3.0.2 where it was recorded.
Run it alone: ``python benchmarks/bench_engine.py [--quick] [--creations]``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.config.journal import Journal
from ganeti_core.config.store import Put, Store
from ganeti_core.locking import Level, LockManager, LockRequest, Ticket, Want
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.model import Cluster, Instance, Node, NodeGroup, new_uuid
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TOOL = Path(sysconfig.get_path("scripts")) / "gnt-vcluster"
FINAL = ("success", "error", "canceled")
NO_OP = {"OP_ID": "OP_TEST_DELAY", "duration": 1e-6, "on_master": True, "on_nodes": [],
         "reason": []}
LONG = {**NO_OP, "duration": 3600.0}
CALIBRATION = "s=0\nfor i in range(1000000): s+=i*i%7"


@dataclass(frozen=True)
class Row:
    """One line of the table; `floor` and `target` are words, for some are upper bounds."""

    what: str
    measured: str
    floor: str = ""
    target: str = ""
    ganeti: str = ""


class Table:
    """Prints rows as they come."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, *words: str) -> None:
        row = Row(*words)
        self.rows.append(row)
        print(f"{row.what:<58} {row.measured:>14} {row.floor:>11} {row.target:>11}  {row.ganeti}",
              flush=True)


def calibration() -> float:
    """CPU seconds of a fixed loop in a fresh interpreter: the measure of this machine now."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", "-S", "-c", CALIBRATION], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass(frozen=True)
class Bench:
    """A virtual cluster of real daemons."""

    root: Path

    def tool(self, *words: str) -> None:
        subprocess.run([str(TOOL), words[0], "--root", str(self.root), *words[1:]], check=True,
                       stdout=subprocess.DEVNULL)

    @property
    def paths(self) -> Paths:
        return Paths(self.root / "node1")

    def client(self) -> LuxiClient:
        return LuxiClient(self.paths.master_socket)

    @property
    def pid(self) -> int:
        return int((self.paths.run / "ganeti-masterd.pid").read_text())

    def memory(self) -> float:
        """The master daemon's resident memory, MB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ValueError("no VmRSS")

    def cpu(self) -> float:
        """Seconds of CPU that the master daemon has used."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def stopped(self) -> Iterator[Store]:
        """The store of the stopped master, to fill it quickly; the master starts afterwards."""
        self.tool("stop")
        journal = Journal(self.paths.database)
        try:
            yield Store(journal)
        finally:
            journal.close()
            self.tool("start")


@contextmanager
def bench(nodes: int, folder: Path) -> Iterator[Bench]:
    made = Bench(folder / f"c{nodes}")
    made.tool("up", "--nodes", str(nodes), "--hypervisor", "fake")
    try:
        yield made
    finally:
        made.tool("down")


def wait(client: LuxiClient, job: int) -> str:
    seen = JobSeen(["status"])
    while seen.values is None or seen.values[0] not in FINAL:
        client.wait_for_job_change(job, seen, wait=30)
    return str(seen.values[0])


def submit_many(client: LuxiClient, jobs: Sequence[list[dict[str, Any]]]) -> list[int]:
    return [job for _, job in client.submit_many_jobs(list(jobs))]


def throughput(cluster: Bench, count: int) -> tuple[float, float]:
    """No-op jobs per second until all are done, and the master's CPU seconds for each."""
    with cluster.client() as client:
        cpu, begun = cluster.cpu(), time.perf_counter()
        for job in submit_many(client, [[NO_OP]] * count):
            if wait(client, job) != "success":
                raise SystemExit(f"job {job} failed")
        return count / (time.perf_counter() - begun), (cluster.cpu() - cpu) / count


def best(times: int, measure: Callable[[], float]) -> float:
    return max(measure() for _ in range(times))


def waiting_clients(cluster: Bench, clients: int, jobs: int) -> float:
    """Jobs per second of clients that each wait for their job before they send another."""
    def work() -> None:
        with cluster.client() as client:
            for _ in range(jobs):
                wait(client, client.submit_job([NO_OP]))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clients * jobs / (time.perf_counter() - begun)


def timed(count: int, act: Callable[[], object]) -> list[float]:
    """Milliseconds of each of `count` calls, sorted."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        act()
        took.append((time.perf_counter() - begun) * 1000)
    return sorted(took)


def at(percent: float, ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def bench_jobs(cluster: Bench, table: Table, quick: bool) -> None:
    rounds = 3 if quick else 10
    throughput(cluster, 200)
    measured = [throughput(cluster, 200) for _ in range(rounds)]
    table.add("no-op jobs, 200 by SubmitManyJobs, best of "f"{rounds}",
              f"{max(m[0] for m in measured):.0f}/s", "1000/s", "2500/s", "2.15/s")
    table.add("  median of them", f"{statistics.median(m[0] for m in measured):.0f}/s")
    table.add("  CPU of the master daemon for a job, least",
              f"{min(m[1] for m in measured) * 1e6:.0f} us")
    table.add("8 clients that wait for each job",
              f"{best(rounds, lambda: waiting_clients(cluster, 8, 50)):.0f}/s", "250/s", "600/s")
    with cluster.client() as client:
        took = timed(50 * rounds, lambda: wait(client, client.submit_job([NO_OP])))
    table.add("submit to done of one no-op job, median", f"{at(50, took):.2f} ms", "8 ms", "4 ms",
              "540 ms")


def bench_long_queue(cluster: Bench, table: Table, quick: bool) -> None:
    with cluster.client() as client:
        before = cluster.memory()
        holders = submit_many(client, [[LONG]] * 20)
        for _ in range(10):
            submit_many(client, [[NO_OP]] * 500)
        took = timed(200 if quick else 1000, lambda: client.submit_job([NO_OP]))
        table.add("submission with 5,000 queued, p99", f"{at(99, took):.2f} ms", "50 ms", "10 ms")
        table.add("  median of them", f"{at(50, took):.2f} ms")
        table.add("memory of about 6,000 queued jobs, as they came",
                  f"{cluster.memory() - before:.1f} MB")
        begun = time.perf_counter()
        for job in holders:
            client.call("CancelJob", job, False)
        wait(client, client.submit_job([NO_OP]))  # the last in the queue
        table.add("  draining them", f"{(5000 + len(took)) / (time.perf_counter() - begun):.0f}/s")
        archive_all(client)


def archive_all(client: LuxiClient) -> None:
    while client.call("AutoArchiveJobs", -1, 30)[1]:
        pass


def bench_memory(cluster: Bench, table: Table) -> None:
    """Memory of a master that starts with so many jobs: without what Python keeps for reuse."""
    with cluster.stopped():
        pass
    empty = cluster.memory()
    with cluster.client() as client:
        rule = client.replace_filter(None, 0, [], "PAUSE", [])
        for _ in range(20):
            submit_many(client, [[NO_OP]] * 500)
    with cluster.stopped():
        pass
    table.add("memory of 10,000 queued jobs after a start",
              f"{cluster.memory() - empty:.1f} MB", "60 MB", "25 MB")
    with cluster.client() as client:
        client.delete_filter(rule)
        wait(client, client.submit_job([NO_OP]))  # the last in the queue
        time.sleep(0.5)
        archive_all(client)
        few = timed(300, lambda: client.submit_job([NO_OP]))
        for _ in range(20):
            for job in submit_many(client, [[NO_OP]] * 500):
                wait(client, job)
        archive_all(client)
        many = timed(300, lambda: client.submit_job([NO_OP]))
    with cluster.stopped():
        pass
    table.add("memory of 20,000 archived jobs", f"{cluster.memory() - empty:.1f} MB",
              "5 MB/10,000", "2 MB/10,000")
    table.add("submission with 20,000 archived / 10,000, median",
              f"{at(50, many):.2f}/{at(50, few):.2f} ms")


def some_instances(store: Store, count: int) -> list[Instance]:
    snapshot = store.snapshot
    node = snapshot.cluster.master_node
    return [Instance(uuid=new_uuid(), name=f"inst{n}.example.com", primary_node=node,
                     hypervisor="fake", os="noop", disk_template="diskless", admin_state="down",
                     beparams={"maxmem": 128, "minmem": 128}) for n in range(count)]


def bench_config(cluster: Bench, table: Table, quick: bool) -> None:
    small, large = commit_times(100, 10_000)
    table.add("commit of one change at 10,000 instances / at 100",
              f"{large / small:.2f}", "1.2")
    table.add("  in milliseconds", f"{large:.2f}/{small:.2f}")
    with cluster.stopped() as store:
        store.commit([Put(one) for one in some_instances(store, 10_000)])
    with cluster.client() as client:
        fields = ["name", "pnode", "admin_state", "be/memory", "os", "hypervisor", "disk_template"]
        numbers = iter(range(100_000))

        def read() -> None:
            name = f"inst{next(numbers) * 37 % 10_000}.example.com"
            answer = client.query("instance", fields, ["=", "name", name])
            if len(answer["data"]) != 1:
                raise SystemExit(f"{name} is not answered")

        timed(50, read)
        took = timed(300 if quick else 2000, read)
    table.add("reading one instance of 10,000, p95", f"{at(95, took):.2f} ms", "2 ms", "0.5 ms",
              "46 ms of 2,233")
    table.add("memory of the master with 10,000 instances", f"{cluster.memory():.0f} MB",
              "200 MB", "120 MB", "128 MB of 2,000")


def commit_times(*counts: int) -> list[float]:
    """Median milliseconds of a commit that changes one of so many instances.

    Measured in turns, for the disk's speed changes more than what is measured.
    """
    with ExitStack() as stack:
        changes = [stack.enter_context(store_with(count)) for count in counts]
        took: list[list[float]] = [[] for _ in counts]
        for _ in range(100):
            for change, mine in zip(changes, took, strict=True):
                mine += timed(5, change)
        return [statistics.median(mine) for mine in took]


@contextmanager
def store_with(count: int) -> Iterator[Callable[[], object]]:
    """A store with `count` instances; gives what changes and commits one of them."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "db")
        try:
            store = Store(journal)
            group = NodeGroup(uuid=new_uuid(), name="default")
            node = Node(uuid=new_uuid(), name="node1", group=group.uuid, primary_ip="127.0.0.1")
            store.commit([Put(group), Put(node), Put(Cluster(
                uuid=new_uuid(), name="c", master_node=node.uuid))])
            instances = some_instances(store, count)
            store.commit([Put(one) for one in instances])
            turns = itertools.count()
            yield lambda: store.commit(
                [Put(replace(instances[(turn := next(turns)) % count], tags=(f"t{turn}",)))])
        finally:
            journal.close()


def bench_locks(table: Table, waiting: int = 10_000) -> None:
    """From a release to the grant of the next, while many others wait for the same few locks."""
    manager = LockManager()
    granted: list[Ticket] = []
    shared = Want(Level.CLUSTER, "BGL", exclusive=False)
    names = [f"node{n}" for n in range(50)]
    holders = {name: manager.request(f"h-{name}", LockRequest.of(
        shared, Want(Level.NODE, name)), lambda _ticket: None) for name in names}
    for number in range(waiting):
        manager.request(str(number), LockRequest.of(
            shared, Want(Level.NODE, names[number % 50]), Want(Level.INSTANCE, f"i{number}")),
            granted.append)
    took = []
    for turn in range(1000):
        name = names[turn % 50]
        count, begun = len(granted), time.perf_counter()
        manager.release(holders[name])
        took.append((time.perf_counter() - begun) * 1000)
        if len(granted) != count + 1:
            raise SystemExit("a release granted something else than one request")
        holders[name] = granted[-1]
    table.add(f"release to grant with {waiting:,} waiting requests, median",
              f"{at(50, sorted(took)):.3f} ms", "1 ms")


def bench_creations(folder: Path, table: Table, count: int) -> None:
    with bench(50, folder / "creations") as cluster:
        ops = [[{"OP_ID": "OP_INSTANCE_CREATE", "instance_name": f"i{n}.example.com",
                 "mode": "create", "disks": [], "nics": [], "disk_template": "diskless",
                 "os_type": "noop", "no_install": True, "name_check": False, "ip_check": False,
                 "iallocator": "hail", "beparams": {"memory": 16}, "start": False, "reason": []}]
               for n in range(count)]
        with cluster.client() as client:
            # This machine's few processors are those of every node.
            wait(client, client.submit_job([{
                "OP_ID": "OP_CLUSTER_SET_PARAMS", "ipolicy": {"vcpu-ratio": 1000.0},
                "reason": []}]))
            begun = time.perf_counter()
            failed = [job for job in submit_many(client, ops) if wait(client, job) != "success"]
            took = time.perf_counter() - begun
        if failed:
            raise SystemExit(f"{len(failed)} creations failed, the first is job {failed[0]}")
        table.add(f"{count:,} diskless creations on 50 nodes with the allocator", f"{took:.1f} s",
                  *(("60 s", "15 s") if count == 1000 else ("", "")), "1.3/s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--creations", type=int, default=0, metavar="N",
                        help="also create N instances on 50 nodes (1000 is the agreed number)")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    options = parser.parse_args()
    table = Table()
    table.add("what", "measured", "floor", "target", "Ganeti 3.0.2")
    table.add("calibration: CPU of 1,000,000 turns of a loop", f"{calibration():.3f} s", "", "",
              "0.15 s")
    bench_locks(table)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with bench(1, folder) as one:
            bench_jobs(one, table, options.quick)
            bench_long_queue(one, table, options.quick)
            if not options.quick:
                bench_memory(one, table)
            bench_config(one, table, options.quick)
        with bench(3, folder) as three:
            rounds = 3 if options.quick else 10
            throughput(three, 200)
            table.add("no-op jobs with three master candidates, best of "f"{rounds}",
                      f"{best(rounds, lambda: throughput(three, 200)[0]):.0f}/s", "500/s",
                      "1500/s", "0.51/s with four")
        if options.creations:
            bench_creations(folder, table, options.creations)
    table.add("calibration again", f"{calibration():.3f} s")
    table.add("load average of this machine", f"{os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in table.rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
