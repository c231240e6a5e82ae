"""A third party's bad plugin in a real cluster: it is named, and nothing else suffers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import install
from virtual_cluster import SCRIPTS, run, wait_until

from ganeti_core.cli.plugin.creating import files, words_of
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.errors import PluginError
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import hook_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.connection import Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of

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

    @hookimpl
    def running(self, ctx):
        if (ctx.root / "hang").exists():
            subprocess.run(["sleep", "4321"], cwd=ctx.state)
        if (ctx.root / "crash").exists():
            os._exit(9)
        return super().running(ctx)
"""

EARS = """
import json, time
from ganeti_core.plugin_api import hookimpl

class Ears:
    def note(self, *words):
        with open({file!r}, "a") as stream:
            print(json.dumps(words), file=stream)

    @hookimpl
    def instance_created(self, name):
        self.note("created", name)

    @hookimpl
    def instance_started(self, name):
        self.note("started", name)

    @hookimpl
    def instance_stopped(self, name):
        self.note("stopped", name)

    @hookimpl
    def instance_removed(self, name):
        self.note("removed", name)

    @hookimpl
    def config_changed(self, serial, changed):
        self.note("changed", serial, changed)

class Hanging:
    @hookimpl
    def job_finished(self):
        time.sleep(4321)
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
        done = run(*words, environment=self.environment)
        return subprocess.CompletedProcess(words, done.status, done.stdout + done.stderr)

    def on_master(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | Layout.load(self.root).node("node1").environment()
        done = run(*words, environment=environment)
        return subprocess.CompletedProcess(words, done.status, done.stdout + done.stderr)

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
    install(cluster.packages, "ganeti-ears", {"events:ears": "Ears", "events:hanging": "Hanging"},
            EARS.format(file=str(cluster.root.parent / "heard")))
    try:
        up = cluster.run("gnt-vcluster", "up", "--root", str(cluster.root), "--nodes", "1",
                         "--hypervisor", "moody", "--disk-templates", "diskless")
        assert up.returncode == 0, up.stdout
        yield cluster
    finally:
        cluster.run("gnt-vcluster", "down", "--root", str(cluster.root))


@pytest.mark.timeout(900)
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


@pytest.mark.timeout(900)
def test_verify_names_what_cannot_be_loaded_and_what_fails(cluster: Cluster) -> None:
    done = cluster.on_master("gnt-cluster", "verify")
    assert done.returncode == 1
    # Nobody needs this one.
    assert ("WARNING: cluster plugin hypervisors broken: cannot be loaded: ModuleNotFoundError"
            in done.stdout)
    assert "(from ganeti-broken)" in done.stdout
    assert "plugin hypervisors moody: verify: LookupError: where was I?" in done.stdout


def heard(cluster: Cluster, name: str) -> list[str]:
    """The events of an instance, in order."""
    file = cluster.root.parent / "heard"
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [event[0] for event in events if event[1] == name]


@pytest.mark.timeout(900)
def test_subscribers_hear_the_life_of_an_instance_and_one_that_hangs_keeps_no_job(
    cluster: Cluster,
) -> None:
    name = "heard.example.com"
    assert cluster.add(name).returncode == 0
    assert cluster.on_master("gnt-instance", "remove", "-f", name).returncode == 0
    deadline = time.monotonic() + 60
    while len(heard(cluster, name)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert heard(cluster, name) == ["created", "started", "stopped", "removed"]
    changes = [json.loads(line) for line in (cluster.root.parent / "heard").read_text().splitlines()
               if json.loads(line)[0] == "changed"]
    assert any("instance" in kinds for _, _, kinds in changes)
    serials = [serial for _, serial, _ in changes]
    assert serials == sorted(set(serials))
    listed = cluster.on_master("gnt-plugin", "list", "event", "--separator", "|").stdout
    assert [line.split("|")[:2] for line in listed.splitlines()[1:]] == [
        ["events", "ears"], ["events", "hanging"]]
    assert "Listens to config_changed, instance_created" in cluster.on_master(
        "gnt-plugin", "info", "event:ears").stdout


@pytest.mark.timeout(900)
def test_the_list_names_the_distribution_and_its_problem(cluster: Cluster) -> None:
    done = cluster.on_master("gnt-plugin", "list", "hypervisor", "--separator", "|")
    assert done.returncode == 3
    rows = {line.split("|")[1]: line.split("|") for line in done.stdout.splitlines()}
    assert rows["broken"][4] == "ganeti-broken"
    assert "a_library_that_nobody_has" in rows["broken"][-1]
    assert rows["moody"][4] == "ganeti-moody"


@pytest.mark.timeout(900)
def test_what_is_disabled_is_refused_by_master_and_node_until_it_is_enabled(
    cluster: Cluster,
) -> None:
    assert cluster.on_master("gnt-plugin", "disable", "disk_template:file").returncode == 0
    listed = cluster.on_master("gnt-plugin", "list", "disk_template").stdout
    assert "disabled by the administrator" in listed
    assert cluster.on_master("gnt-plugin", "enable", "disk_template:file").returncode == 0
    assert "disabled" not in cluster.on_master("gnt-plugin", "list", "disk_template").stdout


@pytest.mark.timeout(900)
def test_what_instances_need_cannot_be_disabled(cluster: Cluster) -> None:
    assert cluster.add("needs.example.com").returncode == 0
    done = cluster.on_master("gnt-plugin", "disable", "hypervisor:moody")
    assert done.returncode == 1
    assert "needed by" in done.stdout
    unknown = cluster.on_master("gnt-plugin", "disable", "hypervisor:moodie")
    assert "no plugin hypervisors:moodie" in unknown.stdout


@pytest.mark.timeout(900)
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


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mood", "said"), [
    ("hang", "it did not end within its time"), ("crash", "the worker process died")])
def test_listings_show_all_else_of_a_plugin_that_cannot_be_asked(
    cluster: Cluster, mood: str, said: str
) -> None:
    assert cluster.add(f"listed-{mood}.example.com").returncode == 0
    node = cluster.root / "node1"
    (node / mood).touch()
    try:
        listed = cluster.on_master(
            "gnt-instance", "list", "--no-headers", "--separator", "|", "-o", "name,pnode,status")
        verified = cluster.on_master("gnt-cluster", "verify").stdout
        nodes = cluster.on_master("gnt-node", "list", "--no-headers", "-o", "name,mtotal").stdout
    finally:
        (node / mood).unlink()
    assert f"listed-{mood}.example.com|node1.example.com|" in listed.stdout
    title = f"plugin hypervisors moody: running: {said}"
    assert title in next(node.glob("var/log/ganeti/node-daemon.log")).read_text()
    assert title in verified
    assert "cannot be asked" not in verified
    assert int(nodes.split()[1].partition(".")[0].removesuffix("G").removesuffix("M")) > 0
    # A data collector of the node may have asked it just before.
    wait_until(lambda: not running_in(node), "no process of the plugin is left")


LATE = """
class Late(Well):
    @hookimpl
    def describe(self):
        return replace(super().describe(), title="{title}")

    @hookimpl
    def start(self, ctx, instance, paused):
        (ctx.root / "late").write_text("{title}")
        super().start(ctx, instance, paused)
"""


def late(cluster: Cluster, title: str, version: str) -> None:
    """Install a version of a hypervisor on the running cluster."""
    words = words_of("hypervisors", "well")
    source = files("hypervisors", words)[f"src/{words['PACKAGE']}/__init__.py"]
    install(cluster.packages, "ganeti-late", {"hypervisors:late": "Late"},
            "from dataclasses import replace\n" + textwrap.dedent(source).replace(
                "from __future__ import annotations\n", "") + LATE.format(title=title), version)


def removed(cluster: Cluster) -> None:
    for path in cluster.packages.glob("ganeti_late*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def daemons(cluster: Cluster) -> list[str]:
    paths = Paths(cluster.root / "node1")
    return [paths.daemon_pid(name).read_text() for name in ("ganeti-noded", "ganeti-masterd")]


@pytest.mark.timeout(900)
def test_a_distribution_comes_is_upgraded_and_goes_while_daemons_run(cluster: Cluster) -> None:
    running = daemons(cluster)
    enabled = ["gnt-cluster", "modify", "--enabled-hypervisors"]
    assert "Unknown hypervisor 'late'" in cluster.on_master(*enabled, "moody,late").stdout
    for version in ("1.0", "2.0"):
        removed(cluster)
        late(cluster, f"As of {version}", version)
        said = cluster.on_master("gnt-plugin", "reload")
        assert said.returncode == 0, said.stdout
        listed = cluster.on_master("gnt-plugin", "list", "hypervisor", "--separator", "|").stdout
        assert f"|{version}|ganeti-late|" in listed
        # A program of its own: it reads for itself what is installed.
        assert f"As of {version}" in cluster.on_master(
            str(SCRIPTS / "gnt-plugin"), "info", "hypervisor:late").stdout
        used = cluster.on_master(*enabled, "moody,late")
        assert used.returncode == 0, used.stdout
        name = f"late-{version[0]}.example.com"
        made = cluster.on_master(
            "gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node1.example.com",
            "-H", "late", "--no-ip-check", "--no-name-check", "--no-nics", "--no-install", name)
        assert made.returncode == 0, made.stdout
        assert (cluster.root / "node1/late").read_text() == f"As of {version}"
        assert cluster.on_master("gnt-instance", "remove", "-f", name).returncode == 0
    assert cluster.on_master(*enabled, "moody").returncode == 0
    removed(cluster)
    assert cluster.on_master("gnt-plugin", "reload").returncode == 0
    assert "Unknown hypervisor 'late'" in cluster.on_master(*enabled, "moody,late").stdout
    assert daemons(cluster) == running


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
