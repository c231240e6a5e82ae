"""How long whole commands take: the start of Python, the question, the answer, the table.

``python benchmarks/bench_commands.py [--counts 1,500,2000,10000] [--runs N]``: a virtual cluster of
one node, its store filled with stopped instances. Printed are medians: wall clock, CPU seconds of
the command itself, and CPU seconds that the daemons used meanwhile; beside them floor, target, and
what Ganeti 3.0.2 took where that was recorded, wall clock on a quiet machine. The first row is a
fixed loop in a fresh interpreter, 0.15 s of CPU where Ganeti was measured: on another machine, or
on a busy one, compare ratios to it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench_engine import CALIBRATION, Bench, bench, some_instances

from ganeti_core.config.store import Put, Store

SCRIPTS = Path(sysconfig.get_path("scripts"))
LIST = ("gnt-instance", "list")
LISTED: dict[int, tuple[str, str, str]] = {
    1: ("", "", "0.36"), 50: ("", "", "0.38"), 500: ("0.15", "0.10", "0.42"),
    2000: ("0.25", "0.15", "0.92"), 10_000: ("0.6", "0.3", "")}
"""By number of instances: floor, target, Ganeti's."""
OTHERS = {("gnt-instance", "--help"): ("0.08", "0.06", "0.21"),
          ("gnt-node", "list"): ("", "", "0.45"),
          ("gnt-cluster", "info"): ("", "", "0.35")}


@dataclass(frozen=True)
class Took:
    """Seconds: of the wall clock, of the command's CPU, of the daemons' CPU."""

    wall: float
    cpu: float
    daemons: float = 0.0


class Runner:
    """Runs commands and measures them."""

    def __init__(self, cluster: Bench, runs: int) -> None:
        self.cluster = cluster
        self.runs = runs
        self.environment = {**os.environ, "GANETI_ROOT": str(cluster.paths.root)}

    def medians(self, *words: str) -> Took:
        """Run it so many times; the first run, which fills caches, does not count."""
        took = [self.once([str(SCRIPTS / words[0]), *words[1:]])
                for _ in range(self.runs + 1)][1:]
        return Took(*(statistics.median(getattr(one, name) for one in took)
                      for name in ("wall", "cpu", "daemons")))

    def once(self, words: list[str]) -> Took:
        before, begun = self.daemons(), time.perf_counter()
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=self.environment)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        if child.returncode != 0:
            raise SystemExit(f"{words} failed")
        return Took(wall, used.ru_utime + used.ru_stime, self.daemons() - before)

    def daemons(self) -> float:
        """CPU seconds that the daemons have used, without processes of theirs that have ended."""
        return sum(_cpu(int(file.read_text()))
                   for file in self.cluster.paths.run.glob("ganeti-*.pid"))


def _cpu(pid: int) -> float:
    # Nanoseconds on a processor, thread by thread: /proc/PID/stat counts in hundredths of a second.
    return sum(int(task.read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def row(what: str, took: Took, marks: tuple[str, str, str]) -> None:
    print(f"{what:<34} {took.wall:9.3f} {took.cpu:9.3f} {took.daemons:9.3f} "
          f"{marks[0]:>7} {marks[1]:>7} {marks[2]:>8}", flush=True)


def run(counts: list[int], runner: Runner) -> None:
    print(f"{'seconds, medians':<34} {'wall':>9} {'CPU':>9} {'daemons':>9} {'floor':>7} "
          f"{'target':>7} {'Ganeti':>8}")
    loop = [runner.once([sys.executable, "-I", "-S", "-c", CALIBRATION]) for _ in range(5)]
    row("a fixed loop", Took(statistics.median(one.wall for one in loop),
                             statistics.median(one.cpu for one in loop)), ("", "", ""))
    for words, marks in OTHERS.items():
        row(" ".join(words), runner.medians(*words), marks)
    have = 0
    for count in counts:
        with runner.cluster.stopped() as store:
            store.commit(_more(store, have, count))
        have = count
        row(f"{' '.join(LIST)}, {count:,} instances", runner.medians(*LIST),
            LISTED.get(count, ("", "", "")))


def _more(store: Store, have: int, count: int) -> list[Put]:
    return [Put(one) for one in some_instances(store, count)[have:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--counts", default="1,500,2000,10000", help="numbers of instances, rising")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    counts = [int(text) for text in options.counts.split(",")]
    with tempfile.TemporaryDirectory() as folder, bench(1, Path(folder)) as cluster:
        run(counts, Runner(cluster, options.runs))


if __name__ == "__main__":
    main()
