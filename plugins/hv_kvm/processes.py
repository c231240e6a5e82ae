"""Processes of guests: find them, tell them from strangers that got their pid, end them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def is_alive(pid: int) -> bool:
    """Return whether `pid` runs; one that only waits to be reaped does not."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (OSError, IndexError):
        return False


def arguments(pid: int) -> list[str]:
    """The command line of `pid`; empty when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [os.fsdecode(word) for word in words]


def cpu_seconds(pid: int) -> float:
    """Processor time that `pid` has used; 0 when it is gone."""
    try:
        fields = _stat(pid)
        return (int(fields[11]) + int(fields[12])) / TICKS
    except (OSError, IndexError, ValueError):
        return 0.0


def is_idle(pid: int) -> bool:
    """Return whether none of its threads has, or waits for, a processor at this moment."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return not any(_fields(thread / "stat")[0] == "R" for thread in threads)
    except (OSError, IndexError):
        return True


def resident_mib(pid: int) -> float:
    """Memory that `pid` holds, MiB; 0 when it is gone."""
    try:
        return int(_stat(pid)[21]) * PAGE_MIB
    except (OSError, IndexError, ValueError):
        return 0.0


def find(*words: str) -> list[int]:
    """Find live processes whose command line holds all of `words`."""
    return [pid for pid in _all_pids() if set(words) <= set(arguments(pid)) and is_alive(pid)]


def wait_gone(pid: int, timeout: float) -> bool:
    """Wait until `pid` has ended; False when it still runs after `timeout` seconds."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return not is_alive(pid)
    try:
        return _ended(handle, timeout)
    finally:
        os.close(handle)


def end(pid: int, patience: float) -> bool:
    """End `pid`: SIGTERM, on which QEMU closes its disks, and SIGKILL after `patience` seconds.

    False when it survives even that: it hangs in the kernel.
    """
    try:
        # A handle means this process for ever, while its number may soon be another's.
        handle = os.pidfd_open(pid)
    except OSError:
        return not is_alive(pid)
    try:
        for which, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, which)
            if _ended(handle, wait):
                return True
        return False
    finally:
        os.close(handle)


def _ended(handle: int, timeout: float) -> bool:
    # Readable from the moment the process has ended, even while nobody reaps it.
    return bool(select.select([handle], [], [], max(timeout, 0.0))[0])


def _all_pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the state on; the name before it may hold anything."""
    return _fields(Path(f"/proc/{pid}/stat"))


def _fields(stat: Path) -> list[str]:
    return stat.read_text(errors="replace").rsplit(")", 1)[1].split()
