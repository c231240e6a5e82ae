"""A random fault meets a random operation, again and again: nothing acknowledged is lost.

``--safety-seed N`` plays the rounds from that one on, ``--safety-rounds`` so many. Each begins with
all in order, so one that failed is played again alone: ``--safety-seed N --safety-rounds 1``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from consoles import Consoles
from mirrored_guest import MirroredGuest
from safety_rounds import NAME, play
from virtual_cluster import VirtualCluster

pytestmark = [
    pytest.mark.needs_root, pytest.mark.needs_qemu, pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not (Path("/dev/fuse").exists() and all(map(shutil.which, (
            "qemu-storage-daemon", "nft", "losetup", "mkfs.ext4")))),
        reason="needs /dev/fuse, qemu-storage-daemon, nft, losetup and mkfs.ext4")]


@pytest.fixture(scope="module")
def guest(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MirroredGuest]:
    cluster = make_cluster("--nodes", "4", "--hypervisor", "kvm", "-H",
                           "kvm:kvm_flag=disabled,kernel_path=")
    made = MirroredGuest(cluster, tmp_path_factory.mktemp("disks"))
    try:
        made.install()
        with Consoles(cluster.root, NAME, made.ledger):
            made.goes_on()
            yield made
            made.run("gnt-instance", "remove", "-f", "--ignore-failures", NAME)
    finally:
        made.remove()


def test_nothing_acknowledged_is_lost(guest: MirroredGuest, safety_seed: int) -> None:
    play(guest, safety_seed)
