"""Run the tests; look once more, alone, at the few that failed beside others.

On a busy machine a test of real daemons may fail for want of processor time. Whether it is that or
a fault is seen when its file runs alone: it fails again, or it is reported as unsteady, with its
traceback above, and somebody has to mend it. CPython's own runner of tests (``--rerun``) does so.
``STRICT=1`` in the environment leaves the second look out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MOST_FILES = 3
"""More files with failures than these are no accident."""
FAILED = 1
"""Pytest's exit status when tests were run and some failed."""
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


def main(words: list[str]) -> int:
    """Run pytest and return its exit status.

    :param words: for pytest; those before the first ``--`` are only for the first look, where they
        spread the tests over processes
    """
    cut = words.index("--")
    spread, both = words[:cut], words[cut + 1:]
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
