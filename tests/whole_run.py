"""Run the tests; look once more, alone, at the few that failed beside others.

On a busy machine a test of real daemons may fail for want of processor time. Whether it is that or
a fault is seen when its file runs alone: it fails again, or it is reported as unsteady, with its
traceback above, and somebody has to mend it. CPython's own runner of tests (``--rerun``) does so.
``STRICT=1`` in the environment leaves the second look out.

What checks types and imports uses one processor, so it runs beside the first look, and speaks at
its end.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_FILES = 3
"""More files with failures than these are no accident."""
FAILED = 1
"""Pytest's exit status when tests were run and some failed."""
SOURCES = ("ganeti_core", "plugins")
CACHE = Path(".pytest_cache/v/cache/lastfailed")


def failed_tests() -> list[str]:
    """The tests that failed in the run that has just ended."""
    try:
        return sorted(json.loads(CACHE.read_text()))
    except (OSError, ValueError):
        return []


def may_be_accidents(tests: list[str]) -> bool:
    """Whether a second look is worth it."""
    return 0 < len({test.partition("::")[0] for test in tests}) <= MOST_FILES


@dataclass(frozen=True)
class Check:
    """A program that runs beside the tests, and is heard when they have ended."""

    words: list[str]
    process: subprocess.Popen[bytes]
    said: BinaryIO

    @classmethod
    @contextmanager
    def begun(cls, words: list[str]) -> Iterator[Check]:
        with tempfile.TemporaryFile() as said, subprocess.Popen(
                words, stdout=said, stderr=subprocess.STDOUT) as process:
            try:
                yield cls(words, process, said)
            finally:
                process.kill()

    def passed(self) -> bool:
        """Wait for its end, print what it found, or its last words, and tell which it is."""
        passed = self.process.wait() == 0
        self.said.seek(0)
        said = self.said.read().decode(errors="replace").strip()
        print(f"{Path(self.words[0]).name}: {said.splitlines()[-1] if passed and said else said}",
              flush=True)
        return passed


def main(words: list[str]) -> int:
    """Run pytest, and programs beside it; return the exit status.

    :param words: for pytest; those before the first ``--`` are only for the first look, where they
        spread the tests over processes. What follows further ``--`` are the programs.
    """
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        else:
            parts[-1].append(word)
    spread, both, *commands = parts
    with ExitStack() as running:
        checks = [running.enter_context(Check.begun(command)) for command in commands]
        # Once, and not in each of the processes of the first look.
        for folder in SOURCES:
            compileall.compile_dir(folder, quiet=2)
        status = tested(spread, both)
        found = [check.passed() for check in checks]
    return status if all(found) else status or FAILED


def tested(spread: list[str], both: list[str]) -> int:
    """Run pytest, for a second look if need be; return its exit status."""
    pytest = [sys.executable, "-m", "pytest"]
    CACHE.unlink(missing_ok=True)
    status = subprocess.run([*pytest, *spread, *both]).returncode
    tests = failed_tests()
    if status != FAILED or os.environ.get("STRICT") or not may_be_accidents(tests):
        return status
    files = sorted({test.partition("::")[0] for test in tests})
    print("\nThese tests failed; their files run once more, alone:", *tests, sep="\n  ", flush=True)
    status = subprocess.run([*pytest, "-n", "0", *both, *files]).returncode
    if status == 0:
        print("\nUnsteady: failed beside others, passed alone. Mend them:", *tests, sep="\n  ")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
