"""The template gluster keeps its contract on a stand-in for a volume; no real one was ever mounted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gluster_world import gluster_volume, install, mounts

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api import DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_gluster import GlusterTemplate
from ganeti_plugins.hv_kvm.uris import protocol_node

TEMPLATE = GlusterTemplate()
UUID = "d15c0000-0000-4000-8000-000000000000"
PARAMS = {"host": "server", "port": 24007, "volume": "gv0", "access": "kernelspace"}
FOLDER = "var/run/ganeti/gluster"
pytestmark = pytest.mark.needs_root


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    with gluster_volume(tmp_path / "server") as files:
        yield files


@pytest.fixture
def ctx(tmp_path: Path, volume: Path) -> HookContext:
    return node(tmp_path, volume)


def node(tmp_path: Path, volume: Path, name: str = "node1") -> HookContext:
    install(tmp_path / name, volume.parent)
    return make_context(tmp_path / name, config=declared_settings(TEMPLATE))


def plan(**params: Any) -> DiskSpec:
    return TEMPLATE.layout(DiskRequest(UUID, 0, 8, "inst1.example.com", params=PARAMS | params))


class TestGluster(DiskTemplateContract):
    kill_points = 3

    @pytest.fixture
    def driver(self) -> GlusterTemplate:
        return GlusterTemplate()

    @pytest.fixture
    def ctx(self, tmp_path: Path, volume: Path) -> HookContext:
        ctx = node(tmp_path, volume)
        TEMPLATE.status(ctx, plan())  # it stays mounted, and its folder stays there
        return ctx

    @pytest.fixture
    def disk_request(self) -> DiskRequest:
        return DiskRequest(uuid=UUID, index=0, size=self.size, name="root",
                           instance_name="inst1.example.com", params=PARAMS)

    @pytest.fixture
    def more_footprint(self, volume: Path) -> Callable[[], Iterable[str]]:
        return lambda: [str(path) for path in volume.glob("*/*")]


def test_two_nodes_mount_it_once_each_and_see_the_same(
    ctx: HookContext, tmp_path: Path, volume: Path
) -> None:
    other, disk = node(tmp_path, volume, "node2"), plan(port=24010, host="fd00::1")
    assert TEMPLATE.space(ctx) == []
    TEMPLATE.create(ctx, disk)
    path = Path(TEMPLATE.open(ctx, disk).path)
    assert path == ctx.root / FOLDER / f"ganeti/{UUID}.0", "as Ganeti's lie"
    path.write_bytes(b"of the guest")
    assert Path(TEMPLATE.open(other, disk).path).read_bytes() == b"of the guest"
    assert len(mounts(tmp_path)) == 3
    assert (volume.parent / "asked").read_text() == "server-port=24010 [fd00::1]:/gv0\n" * 2
    [space] = TEMPLATE.space(ctx)
    assert (space.name, space.total) == (f"/{FOLDER}", 64)


def test_a_guest_gets_an_address_in_userspace_only(ctx: HookContext) -> None:
    TEMPLATE.create(ctx, plan())
    assert TEMPLATE.open(ctx, plan()).uris == {}
    opened = TEMPLATE.open(ctx, plan(access="userspace"))
    assert opened.uris == {"kvm": f"gluster://server:24007/gv0/ganeti/{UUID}.0"}
    assert protocol_node(opened.uris["kvm"]) == {
        "driver": "gluster", "volume": "gv0", "path": f"ganeti/{UUID}.0",
        "server": [{"type": "inet", "host": "server", "port": "24007"}]}
    assert Path(opened.path).is_file()


@pytest.mark.parametrize(("params", "message"), [
    ({"volume": "gv1"}, "server:/gv1 was not mounted on .*gluster volume info gv1"),
    ({"volume": "../x"}, "'../x' cannot be the volume"),
    ({"host": "-o"}, "'-o' cannot be the host"),
])
def test_what_cannot_be_mounted_is_refused(
    ctx: HookContext, tmp_path: Path, params: dict[str, str], message: str
) -> None:
    for act in (TEMPLATE.create, TEMPLATE.status, TEMPLATE.remove):
        with pytest.raises(BlockDeviceError, match=message):
            act(ctx, plan(**params))
    assert len(mounts(tmp_path)) == 1


def test_another_volume_in_its_place_is_not_written_to(ctx: HookContext) -> None:
    TEMPLATE.create(ctx, plan())
    with pytest.raises(BlockDeviceError, match=r"server:/gv0 is mounted on .*not the volume gv1"):
        TEMPLATE.create(ctx, plan(volume="gv1"))
    subprocess.run(["umount", str(ctx.root / FOLDER)], check=True, timeout=60)
    assert TEMPLATE.status(ctx, plan()).exists, "it is mounted again"


def test_paths_that_lead_elsewhere_are_refused(ctx: HookContext, volume: Path) -> None:
    for path in ("../x", "ganeti/../x", "ganeti/a/b", "/etc/passwd", "ganeti/.x"):
        with pytest.raises(BlockDeviceError, match=r"is no \(driver, ganeti/NAME\)"):
            TEMPLATE.remove(ctx, replace(plan(), logical_id=("loop", path)))
    (volume / "ganeti").symlink_to("/etc")
    with pytest.raises(BlockDeviceError, match="symbolic link"):
        TEMPLATE.create(ctx, plan())


def test_a_node_says_why_it_cannot_mount(tmp_path: Path) -> None:
    bare = make_context(tmp_path / "bare", config=declared_settings(TEMPLATE))
    assert TEMPLATE.verify(bare) == [
        "there is no program mount: install mount and glusterfs-client"]
    for folder, message in (("/etc/x", "forbidden prefix"), ("", "set it to an absolute path")):
        config = {"gluster_storage_dir": folder}
        [problem] = TEMPLATE.verify(replace(bare, config=config))
        assert message in problem
    (bare.root / "var/run").mkdir(parents=True, exist_ok=True)
    (bare.root / FOLDER).parent.mkdir(exist_ok=True)
    (bare.root / FOLDER).write_text("")
    [problem] = TEMPLATE.verify(bare)
    assert "is no folder: remove it" in problem
