"""Cgroups of both versions, in trees of files that look like a kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganeti_core.plugin_api import HypervisorError
from ganeti_core.plugin_api.device_counters import disk_usage
from ganeti_core.plugin_api.usage import DiskUsage
from ganeti_plugins.hv_lxc.cgroups import Group, hierarchies
from ganeti_plugins.hv_lxc.limits import Bounds, Version1, Version2, limits_of

BOUNDS = Bounds(memory=64, vcpus=2, cpus="0-1", devices=["c 1:3 rw", "c 136:* rw"])
NAME = "ganeti.inst1.0123456789ab"
UNIFIED = "30 23 0:26 / {root}/sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
SPLIT = """\
31 30 0:27 / {root}/sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:28 / {root}/sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 31 0:29 / {root}/sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:30 / {root}/sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,noprefix
35 31 0:31 / {root}/sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
36 31 0:32 / {root}/sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
37 31 0:33 / {root}/sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
38 31 0:34 / {root}/sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""


class Tree:
    """A node's /proc and cgroups below `root`."""

    def __init__(self, root: Path, mounts: str, init: str) -> None:
        self.root, self.proc, self.mounted = root, root / "proc", root / "sys/fs/cgroup"
        self.write("proc/self/mountinfo", mounts.format(root=root))
        self.write("proc/1/cgroup", init)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def group(self) -> Group:
        return Group(hierarchies(self.proc), NAME, "inst1")


@pytest.fixture
def v2(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path, UNIFIED, "0::/init.scope\n")
    tree.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    for name, text in {
        "memory.max": "67108864", "cpu.max": "200000 100000", "cgroup.freeze": "0",
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "cgroup.events": "populated 1\nfrozen 0\n",
        "memory.stat": "anon 10485760\nfile 99\n", "cgroup.procs": "71\n72\n0\n",
        "inner/cgroup.procs": "73\n"}.items():
        tree.write(f"sys/fs/cgroup/{NAME}/{name}", text)
    return tree


@pytest.fixture
def v1(tmp_path: Path) -> Tree:
    init = "9:name=systemd:/init.scope\n4:memory:/\n3:cpu,cpuacct:/\n2:cpuset:/\n0::/init.scope\n"
    tree = Tree(tmp_path, SPLIT, init)
    tree.write("sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n")
    tree.write("sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "1")
    for name, text in {
        "memory": {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864",
                   "memory.stat": "rss 1\ntotal_rss 10485760\n"},
        "cpu,cpuacct": {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000",
                        "cpuacct.usage": "2500000000"},
        "freezer": {"freezer.state": "THAWED", "cgroup.procs": "71\n"},
    }.items():
        for file, content in text.items():
            tree.write(f"sys/fs/cgroup/{name}/{NAME}/{file}", content + "\n")
    return tree


def test_the_unified_hierarchy_is_found_where_the_first_process_is(v2: Tree) -> None:
    (found,) = hierarchies(v2.proc)
    assert (found.base, found.unified) == (v2.mounted, True)
    assert {"memory", "cpu"} <= found.controllers
    assert isinstance(limits_of([found]), Version2)


def test_hierarchies_of_version_1_are_found_by_their_controllers(v1: Tree) -> None:
    found = {name: one.base for one in hierarchies(v1.proc) for name in one.controllers}
    assert found["cpuacct"] == found["cpu"] == v1.mounted / "cpu,cpuacct"
    assert found["cpuset"] == v1.mounted / "cpuset"
    assert found["name=systemd"] == v1.mounted / "systemd"
    limits = limits_of(hierarchies(v1.proc))
    assert isinstance(limits, Version1)
    assert limits.missing() == []


def test_a_container_in_which_this_node_runs_has_its_cgroups_there(tmp_path: Path) -> None:
    mounts = "40 30 0:28 /outer {root}/cg\\040root rw - cgroup cgroup rw,memory"
    tree = Tree(tmp_path, mounts, "4:memory:/outer/inner\n")
    (found,) = hierarchies(tree.proc)
    assert found.base == tmp_path / "cg root/inner"


def test_version_2_bounds_by_its_own_names(v2: Tree) -> None:
    v2.write("proc/swaps", "")
    limits = Version2(*hierarchies(v2.proc), proc=v2.proc)
    assert list(limits.settings(BOUNDS)) == [
        ("lxc.cgroup2.memory.max", "64M"), ("lxc.cgroup2.memory.swap.max", "0"),
        ("lxc.cgroup2.cpu.max", "200000 100000"), ("lxc.cgroup2.cpuset.cpus", "0-1"),
        ("lxc.cgroup2.devices.deny", "a"), ("lxc.cgroup2.devices.allow", "c 1:3 rw"),
        ("lxc.cgroup2.devices.allow", "c 136:* rw")]


def test_version_1_bounds_swap_where_it_is_counted(v1: Tree) -> None:
    def names() -> list[str]:
        return [name.removeprefix("lxc.cgroup.") for name, _ in limits_of(
            hierarchies(v1.proc)).settings(BOUNDS)]

    assert names() == [
        "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_period_us",
        "cpu.cfs_quota_us", "cpuset.cpus", "devices.deny", "devices.allow", "devices.allow"]
    (v1.mounted / "memory/memory.memsw.limit_in_bytes").unlink()
    assert "memory.memsw.limit_in_bytes" not in names()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_a_container_has_and_uses_is_read(
    version: str, request: pytest.FixtureRequest
) -> None:
    tree: Tree = request.getfixturevalue(version)
    group, limits = tree.group(), limits_of(hierarchies(tree.proc))
    assert (limits.memory(group), limits.vcpus(group)) == (64, 2)
    assert (limits.cpu_seconds(group), limits.held_memory(group)) == (2.5, 10.0)
    assert not limits.is_frozen(group)
    assert group.pids() == ({71} if version == "v1" else {71, 72, 73})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_of_a_container_that_has_ended_nothing_is_there(
    version: str, request: pytest.FixtureRequest
) -> None:
    tree: Tree = request.getfixturevalue(version)
    found = hierarchies(tree.proc)
    group, limits = Group(found, "gone", "inst2"), limits_of(found)
    assert group.pids() == set()
    assert (limits.memory(group), limits.vcpus(group), limits.cpu_seconds(group)) == (0, 0, 0.0)
    assert not limits.is_frozen(group)
    limits.thaw(group)
    group.remove()
    with pytest.raises(HypervisorError):
        limits.freeze(group)
    with pytest.raises(HypervisorError, match="inst2 cannot be set to 8 MiB"):
        limits.set_memory(group, 8)


def test_memory_of_version_2_is_not_set_below_what_is_held(v2: Tree) -> None:
    group, limits = v2.group(), limits_of(hierarchies(v2.proc))
    with pytest.raises(HypervisorError, match="inst1 cannot have 8 MiB: its processes hold 10 MiB"):
        limits.set_memory(group, 8)
    limits.set_memory(group, 32)
    assert (v2.mounted / NAME / "memory.max").read_text() == str(32 << 20)


def test_both_bounds_of_version_1_move_together(v1: Tree) -> None:
    group, limits = v1.group(), limits_of(hierarchies(v1.proc))
    for memory in (128, 32):
        limits.set_memory(group, memory)
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
            assert (v1.mounted / "memory" / NAME / name).read_text() == str(memory << 20)


@pytest.mark.parametrize(("version", "file", "words"), [
    ("v1", "freezer/{}/freezer.state", ("FROZEN", "THAWED")),
    ("v2", "{}/cgroup.freeze", ("1", "0"))])
def test_containers_stand_still_and_go_on(
    version: str, file: str, words: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    tree: Tree = request.getfixturevalue(version)
    group, limits = tree.group(), limits_of(hierarchies(tree.proc))
    if version == "v2":
        tree.write(f"sys/fs/cgroup/{NAME}/cgroup.events", "populated 1\nfrozen 1\n")
    (tree.mounted / file.format(NAME)).write_text("")
    limits.freeze(group)
    assert (tree.mounted / file.format(NAME)).read_text() == words[0]
    assert limits.is_frozen(group)
    (tree.mounted / file.format(NAME)).write_text("")
    limits.thaw(group)
    assert (tree.mounted / file.format(NAME)).read_text() == words[1]


def test_controllers_that_are_missing_are_named(tmp_path: Path) -> None:
    tree = Tree(tmp_path, UNIFIED, "0::/\n")
    tree.write("sys/fs/cgroup/cgroup.controllers", "memory io\n")
    assert limits_of(hierarchies(tree.proc)).missing() == ["cpu", "cpuset"]
    bare = Tree(tmp_path / "bare", "", "")
    assert limits_of(hierarchies(bare.proc)).missing() == list(Version1.needed)


def test_a_disk_is_counted_by_its_device(tmp_path: Path) -> None:
    (tmp_path / "7:4").mkdir()
    (tmp_path / "7:4/stat").write_text("       2        0       16       1        3        0"
                                       "       24        2        0        3        3\n")
    assert disk_usage(1, os.makedev(7, 4), tmp_path) == DiskUsage(1, 2, 8192, 3, 12288)
    assert disk_usage(1, os.makedev(0, 77), tmp_path) is None
    (tmp_path / "7:4/stat").write_text("")
    assert disk_usage(1, os.makedev(7, 4), tmp_path) is None
