"""What the template rbd reads of Ceph's program, and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fake_rbd
import pytest
from rbd_world import images, install

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api import DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.disk_rbd import RbdTemplate
from ganeti_plugins.disk_rbd.images import Image
from ganeti_plugins.hv_kvm.uris import protocol_node

TEMPLATE = RbdTemplate()
UUID = "d7ab910a-4933-4ffe-88d0-faf2ce31390a"
NAME = f"{UUID}.rbd.disk0"
MAPPED = [
    # As printed by version 15, in the manual of Cray's System Management (docs-csm).
    '[{"id":"0","pool":"csm_admin_pool","namespace":"","name":"csm_scratch_img","snap":"-",'
    '"device":"/dev/rbd0"}]',
    # Before and after version 13, as os-brick of OpenStack recorded it.
    '{"0":{"pool":"csm_admin_pool","namespace":"","name":"csm_scratch_img","snap":"-",'
    '"device":"/dev/rbd0"},"1":{"pool":"pool","name":"csm_scratch_img","snap":"-",'
    '"device":"/dev/rbd1"}}',
]
# Of ceph's src/test/cli-integration/rbd/formatted-output.t; an identity in place of its pattern.
INFO = """{
    "block_name_prefix": "rbd_data.5e3f2ae8944a",
    "create_timestamp": "Sun Nov  1 12:00:00 2026",
    "features": ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"],
    "flags": [], "format": 2, "id": "5e3f2ae8944a", "name": "bar", "object_size": 4194304,
    "objects": 256, "op_features": [], "order": 22, "size": 1073741824
}"""


def disk(**params: Any) -> DiskSpec:
    return TEMPLATE.layout(DiskRequest(
        UUID, 0, 8, "inst1.example.com",
        params={"pool": "rbd", "user-id": "", "access": "kernelspace", **params}))


@dataclass(frozen=True)
class Nodes:
    """Two nodes of one cluster of Ceph's."""

    ceph: Path
    first: HookContext
    second: HookContext


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    ceph = tmp_path / "ceph"
    fake_rbd.World.make(str(ceph))
    for name in ("node1", "node2"):
        install(tmp_path / name, ceph)
    return Nodes(ceph, *(make_context(tmp_path / name, name) for name in ("node1", "node2")))


def printing(folder: Path, text: str) -> Path:
    """A program that prints this, whatever it is asked."""
    program = folder / "rbd"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("text", MAPPED)
def test_devices_are_found_in_each_form_of_the_report(tmp_path: Path, text: str) -> None:
    image = Image(printing(tmp_path, text), "csm_admin_pool", "csm_scratch_img", "")
    assert image.devices() == ["/dev/rbd0"]
    assert replace(image, pool="other").devices() == []
    assert image.devices("snap") == []


def test_sizes_and_unreadable_reports(tmp_path: Path) -> None:
    assert Image(printing(tmp_path, INFO), "rbd", "bar", "").size() == 1024
    with pytest.raises(BlockDeviceError, match="printed no JSON: 'id pool namespace"):
        Image(printing(tmp_path, "id pool namespace image snap device"), "rbd", "bar", "").devices()


def test_a_disk_is_called_as_ganetis() -> None:
    assert disk().logical_id == ("rbd", NAME)
    assert TEMPLATE.identity(disk(pool="vms")) == f"vms/{NAME}"


def test_a_guest_gets_an_address_in_userspace_only(nodes: Nodes) -> None:
    ours = disk(pool="vms", access="userspace", **{"user-id": "vms"})
    TEMPLATE.create(nodes.first, ours)
    opened = TEMPLATE.open(nodes.first, ours)
    assert opened.uris == {"kvm": f"rbd:vms/{NAME}:id=vms"}
    assert protocol_node(opened.uris["kvm"]) == {
        "driver": "rbd", "pool": "vms", "image": NAME, "user": "vms"}
    assert Path(opened.path).stat().st_size == 8 << 20, "what installs a system needs a device"
    kernel = TEMPLATE.open(nodes.first, disk(pool="vms", **{"user-id": "vms"}))
    assert (kernel.path, kernel.uris) == (opened.path, {})
    assert TEMPLATE.open(nodes.second, disk(pool="vms", access="userspace")).uris == {
        "kvm": f"rbd:vms/{NAME}"}


def test_both_nodes_see_the_same_data_and_each_has_its_own_device(nodes: Nodes) -> None:
    TEMPLATE.create(nodes.first, disk())
    paths = [Path(TEMPLATE.open(ctx, disk()).path) for ctx in (nodes.first, nodes.second)]
    with paths[0].open("r+b") as device:
        device.write(b"of the guest")
    assert paths[1].read_bytes().startswith(b"of the guest")
    TEMPLATE.close(nodes.first, disk())
    assert TEMPLATE.status(nodes.first, disk()).is_open is False
    assert TEMPLATE.status(nodes.second, disk()).path == str(paths[1])
    with pytest.raises(BlockDeviceError, match="image still has watchers"):
        TEMPLATE.remove(nodes.first, disk())
    assert images(nodes.ceph) == [f"rbd/{NAME}"]


def test_devices_are_listed_once_for_an_image_that_has_one(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    TEMPLATE.create(nodes.first, disk())
    path = TEMPLATE.open(nodes.first, disk()).path
    called, run = [], Image._run

    def noted(image: Image, seconds: float, *words: str) -> str:
        called.append(words[0])
        return run(image, seconds, *words)

    monkeypatch.setattr(Image, "_run", noted)
    assert TEMPLATE.open(nodes.first, disk()).path == path
    assert called == ["info", "showmapped"]


def test_what_is_used_stays_mapped_and_says_so(nodes: Nodes) -> None:
    TEMPLATE.create(nodes.first, disk())
    device = TEMPLATE.open(nodes.first, disk()).path
    (nodes.ceph / "busy").write_text(device)
    for act in (TEMPLATE.close, TEMPLATE.remove):
        with pytest.raises(BlockDeviceError, match="Device or resource busy"):
            act(nodes.first, disk())
    assert TEMPLATE.status(nodes.first, disk()).path == device


def test_an_image_that_is_mapped_twice_is_unmapped_twice(nodes: Nodes) -> None:
    TEMPLATE.create(nodes.first, disk())
    with fake_rbd.World(str(nodes.ceph)) as world:
        for _ in range(2):
            fake_rbd.Call(world, str(nodes.first.root), {}).map(f"rbd/{NAME}")
    TEMPLATE.snapshot(nodes.first, disk(), "now")
    TEMPLATE.close(nodes.first, disk())
    with fake_rbd.World(str(nodes.ceph)) as world:
        [left] = world.state["mapped"][str(nodes.first.root)].values()
    assert left["snap"] == "now", "a snapshot is being read"
    TEMPLATE.remove(nodes.first, disk())
    assert images(nodes.ceph) == []


@pytest.mark.parametrize(("params", "message"), [
    ({"user-id": "vms"}, "Operation not permitted"),
    ({"pool": "attic"}, "error opening pool 'attic': .2. No such file"),
    ({"pool": "a/b"}, "'a/b' cannot be the name of its pool"),
    ({"user-id": "--conf"}, "'--conf' cannot be the name of its user"),
])
def test_what_cannot_be_reached_is_not_taken_for_missing(
    nodes: Nodes, params: dict[str, str], message: str
) -> None:
    for act in (TEMPLATE.create, TEMPLATE.status, TEMPLATE.remove):
        with pytest.raises(BlockDeviceError, match=message):
            act(nodes.first, disk(**params))


def test_names_that_are_no_images_are_refused(nodes: Nodes) -> None:
    for logical_id in (("rbd", "img@snap"), ("rbd", "-x"), ("rbd",)):
        with pytest.raises(BlockDeviceError, match=r"is no|cannot be the name of its image"):
            TEMPLATE.remove(nodes.first, replace(disk(), logical_id=logical_id))


def test_a_node_without_the_program_says_what_to_install(tmp_path: Path) -> None:
    ctx = make_context(tmp_path / "bare", "bare")
    assert TEMPLATE.verify(ctx) == ["there is no program rbd: install ceph-common"]
    with pytest.raises(BlockDeviceError, match=r"node bare: .* install ceph-common"):
        TEMPLATE.create(ctx, disk())


