"""Times the placement programs, beside Ganeti's where they are installed.

    python benchmarks/bench_htools.py [small] [large] [huge]

Prints a table: processor seconds and peak memory of both, our share of Ganeti's seconds, and
whether both gave the same results. Without words it measures small and large clusters, in some
minutes; the huge one takes about five more. Ganeti is left out where it would take far longer.
Short runs are repeated, ours and Ganeti's in turns, and the median counts. As installed programs
do, ours find their modules compiled already (but for the first run).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "plugins" / "iallocator_hail"))

from clusters import Shape, build, new_instance, request, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN = "import sys; from ganeti_plugins.iallocator_hail.tools.{} import main; sys.exit(main())"
_REPEATS = 5
_SHORT = 5.0
"""Processor seconds below which a run is repeated."""
_COLUMNS = "{:<40} {:>9} {:>9} {:>7} {:>8} {:>8}  {}"


@dataclass(frozen=True)
class Bench:
    """One measurement; with `ganeti` it is repeated with Ganeti's program."""

    title: str
    tool: str
    argv: tuple[str, ...]
    ganeti: bool


@dataclass(frozen=True)
class Measured:
    """Processor seconds, peak memory in MiB, exit code and what was printed."""

    seconds: float
    memory: float
    status: int
    output: bytes


def benches(folder: Path, size: str) -> Iterator[Bench]:
    """The measurements of a size, with their input written to a folder."""
    if size == "small":
        yield _hbal(folder, 20, 200, ganeti=True)
        yield _hail(folder, 80, 1000)
        yield _hspace(40)
        for tool in ("hinfo", "hcheck", "hroller"):
            yield _reader(folder, tool, 80, 1000)
    elif size == "large":
        yield _hbal(folder, 80, 1000, "-l", "3", ganeti=True)
        yield _hbal(folder, 200, 4000)
        yield _hail(folder, 200, 4000)
        yield _hspace(1000)
    else:
        yield _hbal(folder, 2000, 40000, "-l", "100")


def _cluster(folder: Path, nodes: int, instances: int) -> str:
    path = folder / f"{nodes}.data"
    path.write_text(text(Shape(nodes, instances), 1))
    return str(path)


def _hbal(folder: Path, nodes: int, instances: int, *more: str, ganeti: bool = False) -> Bench:
    argv = ("-t", _cluster(folder, nodes, instances), *more)
    return Bench(f"hbal {nodes}/{instances} {' '.join(more)}", "hbal", argv, ganeti)


def _reader(folder: Path, tool: str, nodes: int, instances: int) -> Bench:
    argv = ("-t", _cluster(folder, nodes, instances))
    return Bench(f"{tool} {nodes}/{instances}", tool, argv, ganeti=True)


def _hail(folder: Path, nodes: int, instances: int) -> Bench:
    path = folder / f"{nodes}.json"
    members = {"type": "allocate", **new_instance("new", "drbd", 2048, 40960)}
    path.write_text(json.dumps(request(build(Shape(nodes, instances), 1), members)))
    return Bench(f"hail allocate {nodes}/{instances}", "hail", (str(path),), ganeti=True)


def _hspace(nodes: int) -> Bench:
    argv = (
        "--simulate", f"p,{nodes},2T,128g,32", "--machine-readable", "--disk-template",
        "drbd", "--tiered-alloc", "100g,16g,4", "--standard-alloc", "50g,8g,2",
    )
    return Bench(f"hspace {nodes} tiered and standard", "hspace", argv, ganeti=nodes <= 40)


def measure(command: list[str], tool: str) -> Measured:
    """Run a command."""
    environment = {**os.environ, "HTOOLS": tool, "LC_ALL": "C.UTF-8"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        seconds = used.ru_utime + used.ru_stime
        return Measured(seconds, used.ru_maxrss / 1024, child.returncode, output.read())


def repeated(commands: list[list[str]], tool: str) -> list[Measured]:
    """Run some commands in turns, each as long as a run is short; the median run of each."""
    runs: list[list[Measured]] = [[] for _ in commands]
    for number in range(_REPEATS):
        for command, done in zip(commands, runs, strict=True):
            if not number or done[0].seconds < _SHORT:
                done.append(measure(command, tool))
    return [sorted(done, key=lambda run: run.seconds)[len(done) // 2] for done in runs]


def line(bench: Bench, ganeti: str | None) -> str:
    """Measure; one line of the table."""
    commands = [[sys.executable, "-c", _RUN.format(bench.tool), *bench.argv]]
    if ganeti is not None and bench.ganeti:
        commands.append([ganeti, *bench.argv])
    ours, *others = repeated(commands, bench.tool)
    words = [bench.title, f"{ours.seconds:.2f} s", "-", "-", f"{ours.memory:.0f} MiB", "-", "-"]
    for theirs in others:
        same = (ours.status, ours.output.split()) == (theirs.status, theirs.output.split())
        words[2] = f"{theirs.seconds:.2f} s"
        words[3] = f"{ours.seconds / max(theirs.seconds, 0.01):.2f}"
        words[5:] = [f"{theirs.memory:.0f} MiB", "same" if same else "DIFFERENT"]
    if ours.status and not others:
        words[6] = f"ended with status {ours.status}"
    return _COLUMNS.format(*words)


def main() -> None:
    """Run the measurements of the sizes named on the command line."""
    sizes = sys.argv[1:] or ["small", "large"]
    ganeti = shutil.which("hbal", path="/usr/bin:/usr/local/bin")
    print(_COLUMNS.format("", "ours", "Ganeti", "ratio", "ours", "Ganeti", "results"))
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            for bench in benches(Path(name), size):
                print(line(bench, ganeti), flush=True)


if __name__ == "__main__":
    main()
