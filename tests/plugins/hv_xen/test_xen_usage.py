"""What Xen's domains have used, as the kernel of their node counts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import InstanceSpec, NicSpec
from ganeti_core.plugin_api.usage import DiskUsage, NicUsage
from ganeti_plugins.hv_xen.usage import device_number, disks, nics


@pytest.mark.parametrize(("name", "number"), [
    ("xvda", 51712), ("xvdb", 51728), ("xvdq", 268439552), ("sda", 2048), ("sdb", 2064),
    ("hda", 768), ("hdb", 832), ("hdc", 5632), ("hdd", 5696), ("hde", None), ("vda", None)])
def test_disks_have_the_numbers_of_xens_interface(name: str, number: int | None) -> None:
    assert device_number(name) == number


def test_disks_that_the_kernel_serves_are_counted(
    domain_instance: InstanceSpec, tmp_path: Path
) -> None:
    spec = replace(domain_instance, hvparams={"blockdev_prefix": "xvd"})
    assert disks(3, spec, tmp_path) == ()
    folder = tmp_path / "vbd-3-51712/statistics"
    folder.mkdir(parents=True)
    for name, count in (("rd_req", 5), ("rd_sect", 16), ("wr_req", 2), ("wr_sect", 8)):
        (folder / name).write_text(f"{count}\n")
    assert disks(3, spec, tmp_path) == (DiskUsage(0, 5, 8192, 2, 4096),)
    assert disks(4, spec, tmp_path) == ()


def test_cards_are_counted_however_the_guest_drives_them(
    domain_instance: InstanceSpec, tmp_path: Path
) -> None:
    spec = replace(domain_instance, nics=(
        NicSpec("a", 0, "aa:00:00:00:00:01"), NicSpec("b", 1, "aa:00:00:00:00:02")))
    zeros = " 0 0 0 0 0 0 "
    (tmp_path / "dev").write_text("\n".join((
        "Inter-|   Receive", " face |bytes packets",
        f"  vif3.0: 100 4{zeros}2000 7{zeros}", f"  vif3.0-emu: 10 1{zeros}30 2{zeros}",
        f"  vif4.0: 1 1{zeros}1 1{zeros}", "")))
    assert nics(3, spec, tmp_path / "dev") == (NicUsage(
        0, received_packets=9, received_bytes=2030, sent_packets=5, sent_bytes=110),)
