"""A cluster that cannot be made leaves nothing, so that it can be made after all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import run

from ganeti_core.bootstrap import init, local_daemons
from ganeti_core.bootstrap.config_file import import_config
from ganeti_core.bootstrap.failover import master_failover
from ganeti_core.bootstrap.init import InitOptions, init_cluster
from ganeti_core.bootstrap.one_at_a_time import MASTER, alone
from ganeti_core.config.database import Database
from ganeti_core.config.store import load
from ganeti_core.errors import OpExecError, OpPrereqError
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.node.services.replica import MarkArgs, note, noted
from ganeti_core.paths import Paths
from ganeti_core.pid_file import running_pid
from ganeti_core.resolve import HOSTNAME_VARIABLE
from ganeti_core.rpc import certs
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.members import members_file

CONFIG = Path(__file__).parent.parent / "data/config/ganeti-3.0-lab.json"
OPTIONS = {"cluster_name": "cluster.example.com", "node_name": "node1.example.com",
           "enabled_hypervisors": ("fake",), "shared_file_storage_dir": "/taken/shared"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(
        "127.251.0.1 node1.example.com\n127.251.0.2 cluster.example.com\n")
    return Paths(tmp_path)


def test_what_fails_halfway_can_be_repeated(paths: Paths) -> None:
    (paths.root / "taken").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="taken"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))
    assert not [file for file in paths.data.iterdir() if file.is_file()]

    (paths.root / "taken").unlink()
    assert init_cluster(paths, InitOptions.from_options(OPTIONS)).name == "cluster.example.com"
    with pytest.raises(OpPrereqError, match="already initialised"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))


def test_a_node_of_another_cluster_stays_one(paths: Paths) -> None:
    """One that is no master candidate has neither the database nor the authority's key."""
    paths.make_directories()
    certs.create_authority(paths, "other.example.com")
    certs.issue_local(paths, "uuid", "node1.example.com")
    certs.write_node_identity(paths, "uuid", "node1.example.com", "127.251.0.1", 1811)
    paths.ca_key.unlink()
    before = {file: file.read_bytes() for file in paths.data.rglob("*") if file.is_file()}
    with pytest.raises(OpPrereqError, match="is a node of a cluster already"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))
    assert before == {file: file.read_bytes() for file in paths.data.rglob("*") if file.is_file()}


    with pytest.raises(OpPrereqError, match="is a node of a cluster already"):
        import_config(paths, CONFIG)
    assert before == {file: file.read_bytes() for file in paths.data.rglob("*") if file.is_file()}


def test_what_masters_of_a_lost_cluster_have_told_counts_no_more(paths: Paths) -> None:
    """The new master would take itself for one that was replaced."""
    paths.make_directories()
    Epochs(paths.epoch).admit(9)
    note(paths, MarkArgs(9, 30, ["uuid"]))
    init_cluster(paths, InitOptions.from_options(
        OPTIONS | {"shared_file_storage_dir": "/shared"}))
    assert Epochs(paths.epoch).highest() < 2
    assert noted(paths) == MarkArgs(0, 0)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from ganeti_core.bootstrap import init
from ganeti_core.paths import Paths
folder, name, options = sys.argv[1:]
place = init.certs if name == "write_node_identity" else init
setattr(place, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
init.init_cluster(Paths(Path(folder)), init.InitOptions.from_options(json.loads(options)))
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_fails_leaves_the_secrets_of_ganeti(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    """They are replaced before it fails; Ganeti may run with them."""
    paths.make_directories()
    theirs = {paths.data / name: name.encode() for name in ("hmac.key", "rapi.pem", "rapi/users")}
    for file, content in theirs.items():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o644)
    if is_killed:
        subprocess.run([sys.executable, "-c", KILLED, str(paths.root), "write_node_identity",
                        json.dumps(OPTIONS | {"shared_file_storage_dir": "/shared"})])
        assert (paths.data / "hmac.key").read_bytes() != b"hmac.key"
    else:
        monkeypatch.setattr(init, "write_objects", full)
    with pytest.raises((OSError, OpPrereqError)):
        init_cluster(paths, InitOptions.from_options(OPTIONS | (
            {"node_name": "nowhere"} if is_killed else {"shared_file_storage_dir": "/shared"})))
    assert {file: file.read_bytes() for file in paths.data.rglob("*") if file.is_file()} == theirs
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in theirs)


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("before", ["make_shared_files", "write_objects", "write_node_identity"])
def test_what_was_killed_halfway_can_be_repeated(paths: Paths, before: str) -> None:
    users = paths.rapi_users
    users.parent.mkdir(parents=True)
    users.write_text("theirs")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(paths.root), before,
                            json.dumps(OPTIONS | {"shared_file_storage_dir": "/shared"})])
    assert ended.returncode == -signal.SIGKILL
    assert paths.ca_key.exists()
    made = init_cluster(paths, InitOptions.from_options(
        OPTIONS | {"shared_file_storage_dir": "/shared"}))
    with closing(Database(paths.database)) as database:
        assert load(database).cluster.uuid == made.uuid
    assert users.read_text() == "theirs"
    with pytest.raises(OpPrereqError, match="already initialised"):
        init_cluster(paths, InitOptions.from_options(OPTIONS))


def test_one_process_at_a_time_makes_this_host_a_master(paths: Paths) -> None:
    """Of two, the one that failed would remove what the other makes, or end its master daemon."""
    with alone(paths, MASTER, "test"):
        with pytest.raises(OpPrereqError, match="another process that makes this host a master"):
            init_cluster(paths, InitOptions.from_options(OPTIONS))
        with pytest.raises(OpPrereqError, match="another process that makes this host a master"):
            import_config(paths, CONFIG)
    init_cluster(paths, InitOptions.from_options(
        OPTIONS | {"shared_file_storage_dir": "/shared"}))
    with (alone(paths, MASTER, "test"),
          pytest.raises(OpPrereqError, match="another gnt-cluster master-failover is at work")):
        master_failover(paths, no_voting=True)


def test_an_import_that_fails_leaves_what_ganeti_has_there(
    paths: Paths, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(HOSTNAME_VARIABLE, next(iter(
        json.loads(CONFIG.read_text())["nodes"].values()))["name"])
    paths.make_directories()
    theirs = {paths.data / name: name.encode() for name in (
        "hmac.key", "rapi.pem", "cluster-domain-secret", "ssconf_cluster_name", "config.data")}
    for file, content in theirs.items():
        file.write_bytes(content)
    members_file(paths).mkdir()
    with pytest.raises(OSError, match="directory"):
        import_config(paths, CONFIG)
    members_file(paths).rmdir()
    assert theirs == {file: file.read_bytes() for file in paths.data.iterdir() if file.is_file()}


@pytest.mark.parametrize(("option", "value", "why"), [
    ("secondary_ip", "foo", "'foo' is not a valid IP address"),
    ("secondary_ip", "192.0.2.7", "You gave 192.0.2.7 as secondary IP, but it does not belong to"),
    ("default_iallocator", "nosuch", "Invalid default iallocator script 'nosuch' specified"),
    ("master_netdev", "nosuch", r"Invalid master netdev \(nosuch\): .*there are: lo"),
    ("master_netmask", 33, r"CIDR netmask \(33\) not valid"),
    ("nicparams", {"mode": "nosuch"}, "Invalid NIC mode 'nosuch', expected one of bridged"),
    ("enabled_disk_templates", ("nosuch",), "Unknown disk template 'nosuch'"),
    ("enabled_hypervisors", ("nosuch",), "Unknown hypervisor 'nosuch'"),
    ("hv_state", {"nosuch": {"mem_node": 1}}, "Invalid hypervisor.* in hypervisor state: nosuch"),
    ("zeroing_image", "x", "Zeroing image must be an absolute path or a URL"),
    ("install_image", "file:///x", "Install image must be an absolute path or a URL"),
    ("mac_prefix", "01:00:00", "Invalid MAC address prefix '01:00:00'"),
    ("file_storage_dir", "disks", "not an absolute, normalized path: 'disks'"),
    ("shared_file_storage_dir", "/srv/../etc", "not an absolute, normalized path"),
])
def test_wrong_options_are_refused(paths: Paths, option: str, value: str, why: str) -> None:
    with pytest.raises(OpPrereqError, match=why):
        init_cluster(paths, InitOptions.from_options({**OPTIONS, option: value}))
    assert not paths.data.exists()


def test_a_volume_group_that_is_not_there_is_refused(paths: Paths) -> None:
    asked = {**OPTIONS, "enabled_disk_templates": ("plain",), "vg_name": "nosuch"}
    with pytest.raises(OpPrereqError, match="Disk template plain cannot be used on this host with "
                                            "volume_group_name 'nosuch': "):
        init_cluster(paths, InitOptions.from_options(asked))
    assert not [file for file in paths.data.rglob("*") if file.is_file()]


SETTINGS = {
    "--vg-name": "xenvg", "--drbd-usermode-helper": "/bin/true", "--maintain-node-health": "no",
    "--install-image": "/x.img", "--compression-tools": "gzip,lzop",
    "--default-iallocator-params": "-ignore-soft-errors", "--gluster-storage-dir": "/srv/gluster",
    "--user-shutdown": "yes", "--use-external-mip-script": "no", "--ipolicy-vcpu-ratio": "3.5",
    "--ipolicy-spindle-ratio": "7", "--ipolicy-disk-templates": "file,diskless",
    "--specs-mem-size": "min=128,max=4G,std=256", "--specs-nic-count": "max=4",
    "--ssh-key-type": "rsa", "--node-parameters": "spindle_count=3", "-C": "4",
    "-B": "memory=256M", "-N": "link=br1", "-H": "fake:migration_mode=live",
    "-m": "aa:00:01", "--master-netmask": "24", "--secondary-ip": "127.251.7.3",
}
"""Options and values; all of them are heeded, or named as having no effect."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Paths, str]]:
    """A cluster that ``gnt-cluster init`` has made and started, and what that said."""
    root = tmp_path_factory.mktemp("init")
    (root / "etc").mkdir()
    (root / "etc/hosts").write_text(
        "127.251.7.1 node1.example.com\n127.251.7.2 cluster.example.com\n")
    for phase in ("pre", "post"):
        script = Paths(root).scripts / f"cluster-init-{phase}.d/told"
        script.parent.mkdir(parents=True)
        script.write_text(
            f'#!/bin/sh\necho "$GANETI_HOOKS_PHASE $GANETI_OP_TARGET" >> {root}/scripts-told\n')
        script.chmod(0o755)
    environment = {"GANETI_ROOT": str(root), HOSTNAME_VARIABLE: "node1.example.com"}
    ran = run("gnt-cluster", "init", "--enabled-hypervisors=fake", "--no-etc-hosts",
              "--no-ssh-init", *(f"{name}={value}" if name.startswith("--") else f"{name}{value}"
                                 for name, value in SETTINGS.items()),
              "cluster.example.com", environment=environment)
    paths = Paths(root)
    try:
        assert ran.status == 0, ran
        yield paths, ran.stderr
    finally:
        for daemon in (local_daemons.MASTERD, local_daemons.NODED):
            local_daemons.stop(paths, daemon)


def test_settings_of_init_are_those_of_modify(made: tuple[Paths, str]) -> None:
    paths, said = made
    assert said == (
        "WARNING: this cluster keeps no ssh keys: --ssh-key-type has no effect\n"
        "WARNING: Specified a gluster storage directory, although gluster storage is not"
        " enabled.\n")
    with LuxiClient(paths.master_socket) as client:
        info = client.query_cluster_info()
        node = client.query("node", ["sip"], None)["data"][0][0][1]
    assert {name: info[name] for name in (
        "volume_group_name", "drbd_usermode_helper", "maintain_node_health", "uid_pool",
        "install_image", "compression_tools", "gluster_storage_dir", "enabled_user_shutdown",
        "use_external_mip_script", "candidate_pool_size", "mac_prefix", "master_netmask",
    )} == {
        "volume_group_name": "xenvg", "drbd_usermode_helper": "/bin/true",
        "maintain_node_health": False, "uid_pool": [], "install_image": "/x.img",
        "compression_tools": ["gzip", "lzop"], "gluster_storage_dir": "/srv/gluster",
        "enabled_user_shutdown": True, "use_external_mip_script": False,
        "candidate_pool_size": 4, "mac_prefix": "aa:00:01", "master_netmask": 24}
    assert info["default_iallocator_params"] == {"ignore-soft-errors": None}
    assert info["ndparams"]["spindle_count"] == 3
    assert info["nicparams"]["default"]["link"] == "br1"
    assert (info["beparams"]["default"]["minmem"], info["beparams"]["default"]["maxmem"]) == (
        256, 256)
    assert info["hvparams"]["fake"]["migration_mode"] == "live"
    policy = info["ipolicy"]
    assert (policy["vcpu-ratio"], policy["spindle-ratio"], policy["disk-templates"]) == (
        3.5, 7.0, ["file", "diskless"])
    (bounds,) = policy["minmax"]
    assert (bounds["min"]["memory-size"], bounds["max"]["memory-size"]) == (128, 4096)
    assert (bounds["max"]["nic-count"], bounds["max"]["cpu-count"]) == (4, 16)
    assert policy["std"]["memory-size"] == 256
    assert node == "127.251.7.3"


def test_it_runs_the_scripts_that_follow_it(made: tuple[Paths, str]) -> None:
    paths, _ = made
    assert (paths.root / "scripts-told").read_text() == "post cluster.example.com\n"


def test_its_daemons_bear_their_names(made: tuple[Paths, str]) -> None:
    paths, _ = made
    for daemon in (local_daemons.MASTERD, local_daemons.NODED):
        pid = running_pid(paths.daemon_pid(daemon))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        assert any(Path(os.fsdecode(word)).name == daemon for word in words[:2])


def test_a_daemon_that_does_not_start_is_named_first(tmp_path: Path) -> None:
    with pytest.raises(OpExecError) as caught:
        local_daemons.start(Paths(tmp_path), local_daemons.MASTERD)
    assert str(caught.value).startswith("ganeti-masterd exited with status 1: ganeti-masterd: ")


def test_a_host_that_cannot_be_looked_at_has_its_cluster_all_the_same(tmp_path: Path) -> None:
    """As where that takes too long; it said so as if there were no cluster."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(
        "127.251.8.1 node1.example.com\n127.251.8.2 cluster.example.com\n")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif sys.orig_argv[-1] == 'preflight':\n    os._exit(3)\n")
    ran = run("gnt-cluster", "init", "--enabled-hypervisors=fake", "cluster.example.com",
              environment={"GANETI_ROOT": str(tmp_path), "PYTHONPATH": str(tmp_path),
                           HOSTNAME_VARIABLE: "node1.example.com"})
    paths = Paths(tmp_path)
    try:
        assert ran.status == 0, ran
        assert "WARNING: The host node1.example.com cannot be looked at: " in ran.stderr
        assert "status 3" in ran.stderr
        with LuxiClient(paths.master_socket) as client:
            assert client.query_cluster_info()["name"] == "cluster.example.com"
    finally:
        for daemon in (local_daemons.MASTERD, local_daemons.NODED):
            local_daemons.stop(paths, daemon)
