"""A helper guest of QEMU's works on the disks of an instance, and shuts itself down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

pytestmark = [pytest.mark.needs_qemu, pytest.mark.timeout(900)]
NAME = "helped.example.com"
SECTOR = 512
ZEROER = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfbfcbf0080b90001f3ab"  # a stack, and a sector of zeroes at 0x8000
    "b80103b90300ba8100bb0080cd137207"  # the BIOS writes it to the third sector of the second disk
    "ba0406b80020ef"  # powered off by ACPI: 0x2000 to PM1a_CNT
    "f4ebfd")  # else it halts for ever
INSTALLER = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfb"
    "be2f7cb442b282cd137214"  # the first sector of the third disk
    "c606377c02b443b281cd137207"  # becomes the third sector of the second one
    "ba0406b80020eff4ebfd"
    "10000100008000000000000000000000")  # what the BIOS is to read: one sector, to 0x8000
HALTED = bytes.fromhex("faf4ebfd")


def boot_sector(code: bytes) -> bytes:
    return code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


@pytest.fixture(scope="module")
def cluster(make_cluster) -> Iterator[VirtualCluster]:
    made = make_cluster("--nodes", "2", "--hypervisor", "kvm", "-H",
                        "kvm:kvm_flag=disabled,kernel_path=")
    made.gnt("gnt-instance", "add", "-t", "file", "-s", "1M", "-o", "tiny", "-B", "memory=16M",
             "-n", "node1", "--no-nics", "--no-name-check", "--no-ip-check", NAME)
    return made


def disk(cluster: VirtualCluster, name: str = NAME) -> Path:
    info = json.loads(cluster.gnt("gnt-instance", "info", "--format=json", name).stdout)
    (found,) = (cluster.root / "node1/srv/ganeti/file-storage").rglob(
        f"*{info[0]['disks'][0]['uuid']}*")
    return found


def export(cluster: VirtualCluster, image: Path, *more: str) -> str:
    cluster.gnt("gnt-cluster", "modify", f"--zeroing-image={image}")
    return str(cluster.try_("gnt-backup", "export", "-n", "node2", "--zero-free-space",
                            "--long-sleep", "--shutdown-timeout=0", *more, NAME))


def test_it_writes_to_the_instances_disk_and_the_guest_is_back(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    image = tmp_path / "zeroer.img"
    image.write_bytes(boot_sector(ZEROER))
    with disk(cluster).open("r+b") as file:
        file.seek(2 * SECTOR)
        file.write(b"\xaa" * 2 * SECTOR)
    assert "the helper guest has finished" in export(cluster, image)
    (dump,) = [path for path in (cluster.root / "node2/srv/ganeti/export" / NAME).iterdir()
               if path.name != "config.ini"]
    for path in (disk(cluster), dump):
        data = path.read_bytes()
        assert data[2 * SECTOR:3 * SECTOR] == bytes(SECTOR), "the helper was there"
        assert data[3 * SECTOR:4 * SECTOR] == b"\xaa" * SECTOR
    assert cluster.instances("name", "status") == [[NAME, "running"]]
    assert list(cluster.root.glob("node*/srv/ganeti/helper/*")) == []
    cluster.verify()


def test_one_that_never_ends_is_ended(cluster: VirtualCluster, tmp_path: Path) -> None:
    image = tmp_path / "halted.img"
    image.write_bytes(boot_sector(HALTED))
    told = export(cluster, image, "--zeroing-timeout-fixed=1", "--zeroing-timeout-per-mib=0")
    assert "has not shut down within 1 seconds" in told
    assert cluster.instances("name", "status") == [[NAME, "running"]]
    assert list(cluster.root.glob("node*/srv/ganeti/helper/*")) == []
    cluster.verify()


def test_an_os_that_is_not_trusted_installs_in_a_guest(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    for node in ("node1", "node2"):
        folder = cluster.root / node / "srv/ganeti/os/wary"
        folder.mkdir(parents=True)
        (folder / "ganeti_api_version").write_text("15\n")
        for name in ("create_untrusted", "import", "export", "rename"):
            (folder / name).write_text("#!/bin/sh\nfalse\n")
            (folder / name).chmod(0o755)
    wait_until(lambda: "wary" in cluster.gnt("gnt-os", "list").stdout, "the definition is found")
    add = ("gnt-instance", "add", "-t", "file", "-s", "1M", "-B", "memory=16M", "-n", "node1",
           "--no-nics", "--no-name-check", "--no-ip-check", "--no-start")
    ran = cluster.try_(*add, "-o", "wary", "wary.example.com")
    assert "there is no install image" in str(ran), ran
    image = tmp_path / "installer.img"
    image.write_bytes(boot_sector(INSTALLER))
    cluster.gnt("gnt-cluster", "modify", f"--install-image={image}")
    ran = cluster.try_(*add, "-o", "tiny", "--helper-startup-timeout=9", "wary.example.com")
    assert "'helper_startup_timeout' is for instances that a helper guest installs" in str(ran)
    cluster.gnt(*add, "-o", "wary", "--helper-startup-timeout=60", "--helper-shutdown-timeout=90",
                "wary.example.com")
    assert "[untrusted]" in cluster.gnt("gnt-os", "diagnose").stdout
    sector = disk(cluster, "wary.example.com").read_bytes()[2 * SECTOR:3 * SECTOR]
    assert sector.startswith(b"environment\0"), "the archive of the definition"
    assert sector[257:262] == b"ustar"
    with disk(cluster, "wary.example.com").open("r+b") as file:
        file.write(bytes(1 << 20))
    cluster.gnt("gnt-instance", "reinstall", "-f", "wary.example.com")
    assert disk(cluster, "wary.example.com").read_bytes()[2 * SECTOR:].startswith(b"environment\0")
    image.write_bytes(boot_sector(HALTED))
    ran = cluster.try_(*add, "-o", "wary", "--helper-shutdown-timeout=1", "late.example.com")
    assert "has not shut down within 1 seconds" in str(ran), ran
    assert ["late.example.com"] not in cluster.instances("name")
    assert list(cluster.root.glob("node*/srv/ganeti/helper/*")) == []
    cluster.verify()
