"""A third party's bad plugin in a real cluster: it is named, and nothing else suffers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import install

from ganeti_core.cli.plugin.creating import files, words_of
from ganeti_core.errors import PluginError
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import hook_call
from ganeti_core.rpc.certs import TlsIdentity, fingerprint_of
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.connection import Peer
from ganeti_core.rpc.identity import NodeIdentity

MOODS = """
import os
import subprocess

class Moody(Well):
    @hookimpl
    def start(self, ctx, instance, paused):
        mood = instance.name.partition(".")[0]
        if mood == "raises":
            raise ZeroDivisionError("I never learned to divide")
        if mood == "dies":
            os.kill(os.getpid(), 9)
        if mood == "leaves":
            raise SystemExit(5)
        if mood == "hangs":
            subprocess.run(["sleep", "4321"], cwd=ctx.state)
        super().start(ctx, instance, paused)

    @hookimpl
    def verify(self, ctx):
        raise LookupError("where was I?")
"""


class Cluster:
    """One node, on which distributions of third parties are installed."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cluster"
        self.packages = folder / "packages"
        self.environment = os.environ | {
            "PYTHONPATH": str(self.packages), "XDG_CACHE_HOME": str(folder / "cache"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self.environment, text=True, timeout=100, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def on_master(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("gnt-vcluster", "exec", "--root", str(self.root), "master", "--", *words)

    def add(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.on_master(
            "gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node1.example.com",
            "--no-ip-check", "--no-name-check", "--no-nics", "--no-install", name)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("bad"))
    words = words_of("hypervisors", "well")
    source = files("hypervisors", words)[f"src/{words['PACKAGE']}/__init__.py"]
    install(cluster.packages, "ganeti-moody", {"hypervisors:moody": "Moody"}, source + MOODS)
    install(cluster.packages, "ganeti-broken", {"hypervisors:broken": "Gone"},
            "import a_library_that_nobody_has")
    try:
        up = cluster.run("gnt-vcluster", "up", "--root", str(cluster.root), "--nodes", "1",
                         "--hypervisor", "moody", "--disk-templates", "diskless")
        assert up.returncode == 0, up.stdout
        yield cluster
    finally:
        cluster.run("gnt-vcluster", "down", "--root", str(cluster.root))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("mood", "said"), [
    ("raises", "ZeroDivisionError: I never learned to divide"),
    ("dies", "the worker process died (SIGKILL)"),
    ("leaves", "SystemExit: 5"),
])
def test_the_jobs_error_names_the_plugin_and_what_it_did(
    cluster: Cluster, mood: str, said: str
) -> None:
    done = cluster.add(f"{mood}.example.com")
    assert done.returncode != 0
    assert f"plugin hypervisors moody: start: {said}" in done.stdout
    well = cluster.add(f"well-after-{mood}.example.com")
    assert well.returncode == 0, well.stdout


@pytest.mark.timeout(120)
def test_verify_names_what_cannot_be_loaded_and_what_fails(cluster: Cluster) -> None:
    done = cluster.on_master("gnt-cluster", "verify")
    assert done.returncode == 1
    assert "plugin hypervisors broken: cannot be loaded: ModuleNotFoundError" in done.stdout
    assert "(from ganeti-broken)" in done.stdout
    assert "plugin hypervisors moody: verify: LookupError: where was I?" in done.stdout


@pytest.mark.timeout(120)
def test_the_list_names_the_distribution_and_its_problem(cluster: Cluster) -> None:
    done = cluster.on_master("gnt-plugin", "list", "hypervisor", "--separator", "|")
    assert done.returncode == 3
    rows = {line.split("|")[1]: line.split("|") for line in done.stdout.splitlines()}
    assert rows["broken"][4] == "ganeti-broken"
    assert "a_library_that_nobody_has" in rows["broken"][-1]
    assert rows["moody"][4] == "ganeti-moody"


@pytest.mark.timeout(120)
def test_what_is_disabled_is_refused_by_master_and_node_until_it_is_enabled(
    cluster: Cluster,
) -> None:
    assert cluster.on_master("gnt-plugin", "disable", "disk_template:file").returncode == 0
    listed = cluster.on_master("gnt-plugin", "list", "disk_template").stdout
    assert "disabled by the administrator" in listed
    assert cluster.on_master("gnt-plugin", "enable", "disk_template:file").returncode == 0
    assert "disabled" not in cluster.on_master("gnt-plugin", "list", "disk_template").stdout


@pytest.mark.timeout(120)
def test_what_instances_need_cannot_be_disabled(cluster: Cluster) -> None:
    assert cluster.add("needs.example.com").returncode == 0
    done = cluster.on_master("gnt-plugin", "disable", "hypervisor:moody")
    assert done.returncode == 1
    assert "needed by" in done.stdout
    unknown = cluster.on_master("gnt-plugin", "disable", "hypervisor:moodie")
    assert "no plugin hypervisors:moodie" in unknown.stdout


@pytest.mark.timeout(120)
def test_what_hangs_is_killed_at_the_deadline_and_named(cluster: Cluster) -> None:
    paths = Paths(cluster.root / "node1")
    me = NodeIdentity.load(paths)
    clients = NodeClients(TlsIdentity.of(paths), lambda: 1)
    instance = InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000009", name="hangs.example.com", hypervisor="moody",
        beparams={"maxmem": 64, "minmem": 64, "vcpus": 1})
    peer = Peer(me.uuid, me.name, me.address, me.port, fingerprint_of(paths.node_certificate))
    # As a job calls it, but for the patience: the contract's is two minutes.
    call = hook_call(HYPERVISORS, "moody", "start", call_timeout=2.0, instance=instance,
                     paused=False)
    try:
        with pytest.raises(PluginError, match="hypervisors moody: start: it did not end within"):
            clients.call(peer, call, call_id="hang")
    finally:
        clients.close()
    assert not running_in(paths.root)
    assert cluster.add("well-after-hangs.example.com").returncode == 0


def running_in(folder: Path) -> list[bytes]:
    """Programs that were started by hooks and still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue  # it ended
    return [line for line in found if b"4321" in line]
