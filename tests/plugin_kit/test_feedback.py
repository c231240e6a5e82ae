"""What a hook tells the owner of its job is in the job's log while the hook runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from third_party import install
from virtual_cluster import VirtualCluster, wait_until

CHATTY = '''
    import time
    from ganeti_core.plugin_api import Description, hookimpl
    from ganeti_core.plugin_api.data import OsInfo

    class Chatty:
        """Tells how far it is, and ends when it may."""

        @hookimpl
        def describe(self):
            return Description(api_version=0, title="Tells much")

        @hookimpl
        def info(self, ctx):
            return OsInfo("chatty", "")

        @hookimpl
        def validate(self):
            pass

        @hookimpl
        def create(self, ctx):
            ctx.feedback("unpacking \\x1b[31mred\\x1b[0m")
            ctx.feedback("installing a boot loader")
            while not (ctx.root / "go-on").exists():
                time.sleep(0.05)
            ctx.feedback("done")
            for line in range(1100):
                ctx.feedback(f"line {line}")
'''


def test_it_comes_while_the_hook_runs_and_only_once(
    make_cluster: Callable[..., VirtualCluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "ganeti-os-chatty", {"os:chatty": "Chatty"}, CHATTY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cluster = make_cluster("--nodes", "1", "--hypervisor", "fake")
    job = int(cluster.submit(
        "gnt-instance", "add", "-t", "file", "-s", "1M", "-o", "chatty", "-B", "memory=16M",
        "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1", "talk.example.com"))

    def told() -> list[str]:
        with cluster.luxi() as client:
            [[log]] = client.query_jobs([job], ["oplog"])
        return [str(entry[3]) for op in log for entry in op]

    wait_until(lambda: "installing a boot loader" in told(), "a line of the hook")
    assert "unpacking red" in told()
    with cluster.luxi() as client:
        assert client.query_jobs([job], ["status"]) == [["running"]]
    (cluster.paths("node1").root / "go-on").touch()
    wait_until(lambda: "done" in told(), "the rest")
    lines = told()
    for line in ("unpacking red", "installing a boot loader", "done", "line 0"):
        assert lines.count(line) == 1
    assert any("more lines were left out" in line for line in lines)
