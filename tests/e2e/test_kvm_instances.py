"""Instances of QEMU on a cluster: what their users and administrators do with them."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import PATIENCE, VirtualCluster, wait_until
from websockets.sync.client import ClientConnection, connect

from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.rapi import client as grc
from ganeti_plugins.hv_kvm import firmware
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = [pytest.mark.needs_qemu, pytest.mark.timeout(900)]
NAME = "tiny.example.com"
LONG = 40.0


@pytest.fixture(scope="module")
def cluster(make_cluster) -> Iterator[VirtualCluster]:
    made = make_cluster("--nodes", "2", "--hypervisor", "kvm", "--disk-templates",
                        "file,sharedfile", "-H",
                        "kvm:kvm_flag=disabled,kernel_path=,user_shutdown=true", "--with", "rapi")
    made.gnt("gnt-cluster", "modify", "--user-shutdown=yes")
    made.gnt("gnt-instance", "add", "-t", "file", "-s", "1M", "-o", "tiny", "-B", "memory=16M",
             "-n", "node1", "--no-nics", "--no-name-check", "--no-ip-check", NAME)
    return made


def folder(cluster: VirtualCluster) -> Path:
    (found,) = cluster.root.glob(f"node1/**/{NAME}/control")
    return found.parent


def status(cluster: VirtualCluster) -> str:
    return dict(cluster.instances("name", "status"))[NAME]


def pid(cluster: VirtualCluster) -> int:
    return int((folder(cluster) / "pid").read_text())


def test_a_user_shuts_down_and_the_administrator_starts_again(cluster: VirtualCluster) -> None:
    first = pid(cluster)

    def is_down() -> bool:
        # Again and again: a guest that still boots does not hear the first.
        with Qmp.connect(folder(cluster) / "control") as qmp:
            qmp.execute("system_powerdown")
        return status(cluster) == "USER_down"

    wait_until(is_down, "the guest powers off", LONG)
    assert pid(cluster) == first
    assert status(cluster) == "USER_down"  # it is left alone
    cluster.verify()
    cluster.gnt("gnt-instance", "start", NAME)
    assert status(cluster) == "running"
    assert pid(cluster) != first


def test_the_machine_version_of_each_guest_is_recorded(cluster: VirtualCluster) -> None:
    found = json.loads((folder(cluster) / "runtime.json").read_text())
    assert found["machine"].startswith("pc-i440fx-")


def test_consoles_are_reached_through_the_remote_api(cluster: VirtualCluster) -> None:
    screen = "screen.example.com"
    cluster.gnt("gnt-instance", "add", "-t", "file", "-s", "1M", "-o", "tiny", "-B", "memory=16M",
                "-H", "kvm:serial_console=false,vnc_bind_address=0.0.0.0", "-n", "node2",
                "--no-nics", "--no-name-check", "--no-ip-check", screen)
    cluster.gnt("gnt-instance", "start", NAME)
    token = cluster.gnt("gnt-rapi-token", "add", "browser", "@operator").stdout.strip()
    address = Layout.load(cluster.root).address
    api = grc.GanetiRapiClient(address, token=token)
    wait_until(lambda: is_known(api), "the token is known")

    def opened(name: str) -> ClientConnection:
        uri = api.Request("POST", f"/instances/{name}/console")["uri"]
        return connect(f"wss://{address}:5080{uri}", ssl=unverified(), open_timeout=PATIENCE)

    with opened(NAME) as serial:
        said = b""
        while not re.search(rb"count [0-9A-F]{8}\r\n", said):
            said += bytes(serial.recv(PATIENCE))
        cluster.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
        for _ in serial:
            pass  # what it has said by then, and then it is over
        assert serial.close_code == 1000
    with opened(screen) as vnc:
        assert vnc.recv(PATIENCE) == b"RFB 003.008\n"
        vnc.send(b"RFB 003.008\n")
        assert vnc.recv(PATIENCE) == b"\x01\x01"  # one way of security: none
    with pytest.raises(grc.GanetiApiError, match="does not run"):
        opened(NAME)
    cluster.gnt("gnt-instance", "start", NAME)
    cluster.gnt("gnt-instance", "remove", "-f", screen)


def is_known(api: grc.GanetiRapiClient) -> bool:
    try:
        return bool(api.Query("instance", ["name"])["data"])
    except grc.GanetiApiError:
        return False


def unverified() -> ssl.SSLContext:
    """The certificate of the cluster is signed by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_values_that_would_fail_later_are_refused_when_they_are_given(
    cluster: VirtualCluster,
) -> None:
    for given, why in (
            ("virtio_net_queues=33", "virtio_net_queues"), ("virtio_net_queues=some", "number"),
            ("boot_type=coreboot", "boot_type"), ("machine_version=pc-0.1", "machine_version"),
            ("machine_version=q35,disk_type=ide", "disk_type"),
            ("spice_bind=nosuch0", "spice_bind"),
            ("vhost_net=yes", "vhost_net"), ("migration_caps=teleport", "teleport")):
        if given == "vhost_net=yes" and Path("/dev/vhost-net").exists():
            continue
        ran = cluster.try_("gnt-instance", "modify", "-H", given, NAME)
        assert ran.status == 1, given
        assert why in ran.stderr, (given, ran.stderr)
    cluster.gnt("gnt-instance", "modify", "-H", "virtio_net_queues=auto", NAME)
    assert dict(cluster.instances("name", "hv/virtio_net_queues"))[NAME] == "auto"
    cluster.gnt("gnt-instance", "modify", "-H", "virtio_net_queues=default", NAME)


@pytest.mark.skipif(not any(code.exists() for code, _ in firmware.BUILDS),
                    reason="there is no UEFI firmware (Debian: ovmf)")
def test_uefi_variables_go_where_their_instance_goes(cluster: VirtualCluster) -> None:
    name = "uefi.example.com"
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
                "memory=96M", "-H", "kvm:boot_type=uefi,machine_version=q35", "-n", "node1",
                "--no-nics", "--no-name-check", "--no-ip-check", name)
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", name)

    def stores() -> list[Path]:
        return list(cluster.root.glob("node*/**/uefi/*.fd"))

    (kept,) = stores()
    assert "/node1/" in str(kept)
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    wanted = kept.read_bytes()
    cluster.gnt("gnt-instance", "failover", "-f", "-n", "node2", name)
    (kept,) = stores()
    assert "/node2/" in str(kept)
    assert kept.read_bytes() == wanted
    cluster.gnt("gnt-backup", "export", "-n", "node1", name)
    cluster.gnt("gnt-instance", "remove", "-f", name)
    assert stores() == []
    cluster.gnt("gnt-backup", "import", "--src-node", "node1", "-n", "node1", "--no-name-check",
                "--no-ip-check", name)
    (kept,) = stores()
    assert kept.read_bytes() == wanted
    cluster.gnt("gnt-instance", "remove", "-f", name)
    assert stores() == []


@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="there is no /dev/fuse")
def test_a_guest_on_mirrored_disks_moves_and_outlives_its_node(cluster: VirtualCluster) -> None:
    """It boots from its disk, which an OS script has written, and writes what it counts there."""
    name, templates = "mirrored.example.com", "file,sharedfile,mirror"
    cluster.gnt("gnt-cluster", "modify", f"--enabled-disk-templates={templates}",
                f"--ipolicy-disk-templates={templates}")
    cluster.gnt("gnt-instance", "add", "-t", "mirror", "-s", "1M", "-o", "tiny", "-B", "memory=16M",
                "-n", "node1:node2", "--no-nics", "--no-name-check", "--no-ip-check", name)

    def count(node: str) -> int:
        (copy,) = (cluster.paths(node).root / "srv/ganeti/file-storage").glob(f"{name}/*")
        return int(copy.read_bytes()[512:].partition(b"count ")[2][:8] or b"0", 16)

    def counts_on(node: str) -> None:
        known = count(node)
        # It begins anew with each start.
        wait_until(lambda: count(node) not in (0, known), f"what the guest counts reaches {node}")

    counts_on("node2")
    cluster.gnt("gnt-instance", "migrate", "-f", name)
    counts_on("node2")
    counts_on("node1")
    cluster.tool("stop", "--crash", "node2")
    # The last write may have been on its way: it was not acknowledged then.
    assert 0 <= count("node2") - count("node1") <= 1
    cluster.gnt("gnt-node", "modify", "--offline=yes", "node2")
    cluster.gnt("gnt-instance", "failover", "-f", name)
    counts_on("node1")
    cluster.tool("start")
    cluster.gnt("gnt-node", "modify", "--offline=no", "node2")
    cluster.gnt("gnt-instance", "activate-disks", "--wait-for-sync", name)
    counts_on("node2")
    cluster.gnt("gnt-instance", "remove", "-f", name)
