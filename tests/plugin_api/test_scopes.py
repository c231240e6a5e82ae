"""What outlives a daemon has a scope of its own where systemd runs the host, and runs anyway."""

from __future__ import annotations

from pathlib import Path

import pytest
from virtual_cluster import wait_until

from ganeti_core.plugin_api import processes, scopes
from ganeti_core.plugin_api.testing.contexts import make_context

PROGRAM = """#!/bin/sh
echo "$@" > {notes}
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that systemd runs, with a program of ours in place of its own; what that was told."""
    program, notes = tmp_path / "bin/systemd-run", tmp_path / "notes"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(notes=notes))
    program.chmod(0o755)
    monkeypatch.setattr(scopes, "SYSTEMD", tmp_path)
    monkeypatch.setattr(scopes, "DEFAULT_PATH", f"{program.parent}:{scopes.DEFAULT_PATH}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return notes


def test_a_kept_process_is_begun_in_a_scope(systemd: Path, tmp_path: Path) -> None:
    ctx = make_context(tmp_path / "node")
    processes.begin(ctx, "web 1", ["sleep", "600"])
    try:
        wait_until(lambda: "web 1" in processes.kept(ctx), "it runs")
        words = systemd.read_text().split()
        assert {"--scope", "--collect", "--slice=ganeti-guests.slice"} <= set(words)
        assert any(word.startswith("--unit=ganeti-web-1-") for word in words)
    finally:
        processes.end(ctx, "web 1")


def test_it_is_begun_all_the_same_where_there_can_be_no_scope(
    systemd: Path, tmp_path: Path
) -> None:
    (systemd.parent / "bin/systemd-run").write_text("#!/bin/sh\nexit 1\n")
    ctx = make_context(tmp_path / "node")
    processes.begin(ctx, "web1", ["sleep", "600"])
    try:
        wait_until(lambda: "web1" in processes.kept(ctx), "it runs")
    finally:
        processes.end(ctx, "web1")


def test_there_is_none_without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "SYSTEMD", tmp_path / "nosuch")
    assert scopes.own_scope("web1") == []
