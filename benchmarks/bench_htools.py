"""Times the placement programs, beside the peer's where they are installed.

    python benchmarks/bench_htools.py [small|large|huge]

Prints one line per measurement: CPU seconds (own and children), peak memory, and what was done.
The peer is run only where it ends within minutes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "plugins" / "iallocator_hail"))

from clusters import Shape, build, new_instance, request, text

_RUN = "import sys; from ganeti_plugins.iallocator_hail.tools.{} import main; sys.exit(main())"


@dataclass(frozen=True)
class Bench:
    """One measurement; with `peer` it is repeated with the peer's program."""

    tool: str
    argv: tuple[str, ...]
    peer: bool


def benches(folder: Path, size: str) -> list[Bench]:
    """The measurements of a size, with their input written to a folder."""
    if size == "small":
        return [_hbal(folder, 20, 200, peer=True), _hail(folder, 80, 1000), _hspace(40)]
    if size == "large":
        return [
            _hbal(folder, 80, 1000),
            _hbal(folder, 200, 4000),
            _hail(folder, 200, 4000),
            _hspace(1000),
        ]
    return [_hbal(folder, 2000, 40000, "-l", "100")]


def _hbal(folder: Path, nodes: int, instances: int, *more: str, peer: bool = False) -> Bench:
    path = folder / f"{nodes}.data"
    path.write_text(text(Shape(nodes, instances), 1))
    return Bench("hbal", ("-t", str(path), *more), peer)


def _hail(folder: Path, nodes: int, instances: int) -> Bench:
    path = folder / f"{nodes}.json"
    members = {"type": "allocate", **new_instance("new", "drbd", 2048, 40960)}
    path.write_text(json.dumps(request(build(Shape(nodes, instances), 1), members)))
    return Bench("hail", (str(path),), peer=True)


def _hspace(nodes: int) -> Bench:
    return Bench(
        "hspace",
        (
            "--simulate", f"p,{nodes},2T,128g,32", "--machine-readable", "--disk-template",
            "drbd", "--tiered-alloc", "100g,16g,4", "--standard-alloc", "50g,8g,2",
        ),
        peer=nodes <= 40,
    )


def measure(command: list[str], tool: str) -> str:
    """Run a command; tell CPU time and memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "HTOOLS": tool}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = next((line for line in reversed(done.stdout.splitlines()) if line), "")
    return f"{seconds:9.2f} s  {after.ru_maxrss / 1024:7.0f} MiB  rc {done.returncode}  {last[:60]}"


def main() -> None:
    """Run the measurements of the size named on the command line."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    peer = shutil.which("hbal")
    with tempfile.TemporaryDirectory() as name:
        for bench in benches(Path(name), size):
            title = f"{bench.tool} {' '.join(bench.argv)[-44:]:<44}"
            ours = [sys.executable, "-c", _RUN.format(bench.tool), *bench.argv]
            print(f"ours {title} {measure(ours, bench.tool)}", flush=True)
            if peer and bench.peer:
                print(f"peer {title} {measure([peer, *bench.argv], bench.tool)}", flush=True)


if __name__ == "__main__":
    main()
