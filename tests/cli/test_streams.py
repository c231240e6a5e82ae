"""Commands whose standard streams are closed, as some programs that run others leave them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from virtual_cluster import SCRIPTS


def shell(line: str, root: Path) -> tuple[int, str, str]:
    """Run a line of a shell as on a host without a cluster; status, output and errors."""
    ended = subprocess.run(
        ["/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"GANETI_ROOT": str(root), "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("gnt-cluster master-failover --no-voting <&-", 1, "No terminal to ask on"),
        ("gnt-cluster add-tags --from - <&-", 1, "No tags to be added"),
        ("gnt-rapi-user set somebody <&-", 1, ""),
        ("gnt-instance list >&-", 1, "Cannot communicate with the master daemon"),
        ("gnt-instance --version >&-", 0, ""),
        ("gnt-plugin list --local --format=json >&-", 0, ""),
        ("gnt-rapi-user list >&-", 0, ""),
        ("gnt-confd master >&-", 1, "Failure: gnt-confd master: "),
        ("mon-collector cpu-avg-load >&-", 1, "belongs to no cluster"),
    ],
)
def test_a_closed_stream_is_one_that_leads_nowhere(
    line: str,
    status: int,
    told: str,
    tmp_path: Path,
) -> None:
    ended, output, errors = shell(line, tmp_path)
    assert "Traceback" not in errors
    assert told in errors
    assert (ended, output) == (status, "")


def test_errors_do_not_get_into_the_output(tmp_path: Path) -> None:
    """Where there is no standard error, Python would print them to standard output."""
    assert shell("gnt-instance list 2>&-", tmp_path)[:2] == (1, "")


def test_output_that_nobody_takes_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("somebody {HA1}0 @reader\n")
    ended, _, errors = shell(f"gnt-rapi-user list --file {users} >/dev/full", tmp_path)
    assert (ended, errors) == (1, "gnt-rapi-user: No space left on device\n")
