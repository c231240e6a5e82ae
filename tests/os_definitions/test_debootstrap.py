"""Our definition debootstrap, from a system made before; and all of it, if there is time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest
from installed import KEY, MIB, an_instance, small_system, tar_name
from own_mounts import own_mounts

from ganeti_core.plugin_api import InstanceSpec, OpPrereqError, OsScriptError
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.os_scripts.driver import OsScripts

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="files of a system belong to root"),
    pytest.mark.skipif(any(not shutil.which(one) for one in ("mke2fs", "debugfs", "dpkg")),
                       reason="needs mke2fs, debugfs and dpkg")]
FOLDER = ganeti_os_definitions.FOLDER / "debootstrap"
OS = OsScripts("debootstrap", FOLDER)


@pytest.fixture
def instance(tmp_path: Path) -> InstanceSpec:
    return an_instance("debootstrap", tmp_path, 16 * MIB)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Parameters, whose system is in the cache."""
    params = {"suite": "small", "cache": str(tmp_path / "cache")}
    (tmp_path / "cache").mkdir()
    with tarfile.open(tar_name(params), "w") as tar:
        tar.add(small_system(tmp_path / "system"), ".")
    return params


def create(instance: InstanceSpec, given: dict[str, str], tmp_path: Path) -> None:
    ctx = make_context(tmp_path / "node1")
    OS.validate(ctx, "", given, force_variant=False)
    OS.create(ctx, replace(instance, osparams=given), "", reinstall=False)


def inside(instance: InstanceSpec, command: str) -> str:
    return subprocess.run(
        ["debugfs", "-R", command, instance.disks[0].path], check=True, capture_output=True,
        text=True, timeout=20).stdout


def test_a_system_of_the_cache_becomes_the_instances_own(
    instance: InstanceSpec, given: dict[str, str], tmp_path: Path
) -> None:
    hash_ = "$6$salt$abc/def.&"
    create(instance, given | {"keys": KEY, "root_password_hash": hash_}, tmp_path)
    assert inside(instance, "cat /etc/debian_version") == "12.0\n"
    assert inside(instance, "cat /etc/hostname") == "web1.example.com\n"
    assert "127.0.1.1\tweb1.example.com web1\n" in inside(instance, "cat /etc/hosts")
    assert inside(instance, "cat /etc/shadow").splitlines() == [
        f"root:{hash_}:1:0:::::", "daemon:*:1:0:::::"]
    assert inside(instance, "cat /root/.ssh/authorized_keys") == f"{KEY}\n"
    assert "Mode:  0600" in inside(instance, "stat /root/.ssh/authorized_keys")
    assert inside(instance, "cat /etc/machine-id") == ""
    assert "ssh_host" not in inside(instance, "ls /etc/ssh")
    assert "Address=192.0.2.7/24\nGateway=192.0.2.1" in inside(
        instance, "cat /etc/systemd/network/10-nic0.network")
    assert "DHCP=yes" in inside(instance, "cat /etc/systemd/network/10-nic1.network")


def test_a_renamed_system_has_its_new_name_and_one_of_another_is_left_alone(
    instance: InstanceSpec, given: dict[str, str], tmp_path: Path
) -> None:
    create(instance, given, tmp_path)
    ctx = make_context(tmp_path / "node1")
    renamed = replace(instance, name="web2.example.com", osparams=given)
    OS.rename(ctx, renamed, "", "web1.example.com")
    assert inside(instance, "cat /etc/hostname") == "web2.example.com\n"
    assert "web2.example.com web2" in inside(instance, "cat /etc/hosts")
    with pytest.raises(OsScriptError, match=r"the system has the name 'web2\.example\.com'"):
        OS.rename(ctx, replace(renamed, name="web3.example.com"), "", "web1.example.com")


def test_nothing_is_mounted_and_only_the_cache_is_left(
    instance: InstanceSpec, given: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cache/.work-999999999-killed").mkdir()
    before = own_mounts(tmp_path)
    create(instance, given, tmp_path)
    assert own_mounts(tmp_path) == before
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        ".lock", Path(tar_name(given)).name]


def test_a_disk_that_is_too_small_is_told_of(
    instance: InstanceSpec, given: dict[str, str], tmp_path: Path
) -> None:
    with Path(instance.disks[0].path).open("r+b") as file:
        file.truncate(4096)
    with pytest.raises(OsScriptError, match="Not enough space"):
        create(instance, given, tmp_path)
    assert not list((tmp_path / "cache").glob(".work-*"))


@pytest.mark.parametrize(("params", "said"), [
    ({"suite": "bookworm; reboot"}, "only the characters"),
    ({"packages": "vim emacs"}, "only the characters"),
    ({"mirror": "deb.debian.org"}, "expected a URL"),
    ({"cache": "cache"}, "the path must be absolute"),
    ({"cache_days": "two"}, "only the characters"),
])
def test_parameters_without_meaning_are_refused_when_they_are_given(
    tmp_path: Path, params: dict[str, str], said: str
) -> None:
    with pytest.raises(OpPrereqError, match=said):
        OS.validate(make_context(tmp_path), "", params, force_variant=False)


def test_without_the_program_its_package_is_named(
    instance: InstanceSpec, tmp_path: Path
) -> None:
    given = {"suite": "none-such", "cache": str(tmp_path / "cache"), "mirror": "file:///nowhere"}
    said = "cannot|E: |debootstrap" if shutil.which("debootstrap") else (
        r"the program debootstrap is missing \(Debian: debootstrap\)")
    with pytest.raises(OsScriptError, match=said):
        create(instance, given, tmp_path)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("debootstrap"), reason="debootstrap is not installed")
def test_a_whole_debian_is_installed_from_its_mirror(tmp_path: Path) -> None:
    instance = an_instance("debootstrap", tmp_path, 1024 * MIB)
    given = {"suite": "bookworm", "cache": str(tmp_path / "cache")}
    try:
        create(instance, given, tmp_path)
    except OsScriptError as exc:
        if "InRelease" in str(exc):
            pytest.skip(f"the mirror cannot be reached: {exc}")
        raise
    assert inside(instance, "cat /etc/debian_version").startswith("12")
    assert "Type: regular" in inside(instance, "stat /usr/bin/dpkg")
