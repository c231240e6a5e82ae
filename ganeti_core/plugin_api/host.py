"""What a node has: memory and processors, from /proc and /sys."""

from __future__ import annotations

from pathlib import Path

from .data import HostFacts


def measure_host(guests_mib: float = 0.0, version: str = "") -> HostFacts:
    """Return the node's memory and CPUs, as `HypervisorSpec.host_facts` answers them.

    Memory that the kernel would give up for a guest, its caches, counts as free.

    :param guests_mib: what guests hold of the memory, MiB; the rest that is in use is the host's
    :param version: of the hypervisor
    """
    memory = _table(Path("/proc/meminfo"))
    total = memory["MemTotal"] // 1024
    free = sum(memory.get(name, 0) for name in ("MemFree", "Buffers", "Cached")) // 1024
    cpus, sockets = _processors()
    nodes = len(list(Path("/sys/devices/system/node").glob("node[0-9]*")))
    return HostFacts(
        memory_total=total, memory_free=free, memory_host=max(0, total - free - int(guests_mib)),
        cpu_total=cpus, cpu_sockets=sockets, cpu_nodes=max(1, nodes), version=version)


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1}


def _processors() -> tuple[int, int]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    pairs = [(key.strip(), value.strip())
             for key, _, value in (line.partition(":") for line in lines)]
    cpus = sum(1 for key, _ in pairs if key == "processor")
    sockets = {value for key, value in pairs if key == "physical id"}
    return max(1, cpus), max(1, len(sockets))
