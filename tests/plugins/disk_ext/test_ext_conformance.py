"""The template ext keeps its contract on a provider, and leaves to it what is its own."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.errors import BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api import HookContext, NotSupported
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_ext import ExtTemplate

API0 = Path(__file__).resolve().parents[2] / "data/plugin_api/api0/extstorage_api0.py"


def make_provider() -> Any:
    """A provider whose volumes are files."""
    spec = importlib.util.spec_from_file_location("ext_provider", API0)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Oldest()


class Neighbours:
    """The other plugins of the node, and what they were asked."""

    def __init__(self, root: Path) -> None:
        self.provider = make_provider()
        self.asked: list[tuple[str, VolumeSpec]] = []
        self.ctx = make_context(root)
        # The provider's folders are its own, not the template's.
        for folder in ("state", "keep"):
            (getattr(self.ctx, folder).parent / "provider").mkdir(exist_ok=True)
        self.theirs = replace(self.ctx, state=self.ctx.state.parent / "provider",
                              keep=self.ctx.keep.parent / "provider")

    def __call__(self, kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        if (kind, name) != ("extstorage", "shelf"):
            raise OpPrereqError(f"Unknown {kind} '{name}'", "wrong_input")
        if "volume" in arguments:
            self.asked.append((hook, arguments["volume"]))
        if not hasattr(self.provider, hook):
            raise NotSupported(f"shelf does not offer {hook}")
        return getattr(self.provider, hook)(**_taken(self.provider, hook, arguments, self.theirs))


def _taken(provider: Any, hook: str, arguments: dict[str, Any], ctx: HookContext) -> dict[str, Any]:
    wanted = getattr(provider, hook).__code__.co_varnames
    return {name: value for name, value in {"ctx": ctx, **arguments}.items() if name in wanted}


@pytest.fixture
def neighbours(tmp_path: Path) -> Neighbours:
    return Neighbours(tmp_path / "node1")


class TestExt(DiskTemplateContract):
    @pytest.fixture
    def driver(self) -> ExtTemplate:
        return ExtTemplate()

    @pytest.fixture
    def ctx(self, neighbours: Neighbours) -> HookContext:
        return replace(neighbours.ctx, driver=neighbours)

    @pytest.fixture
    def disk_request(self) -> DiskRequest:
        return DiskRequest(
            uuid="d15c0000-0000-4000-8000-000000000000", index=0, size=self.size, name="root",
            instance_name="inst1.example.com", options={"provider": "shelf", "speed": "fast"},
            params={"access": "kernelspace"})


def plan(**options: Any) -> Any:
    request = DiskRequest("d15c0000-0000-4000-8000-000000000000", 0, 8, "inst1.example.com",
                          options=options)
    return ExtTemplate().layout(request)


def test_a_disk_needs_a_provider() -> None:
    with pytest.raises(OpPrereqError, match="Missing provider"):
        plan(speed="fast")


def test_options_are_the_volumes_parameters(neighbours: Neighbours) -> None:
    ctx = replace(neighbours.ctx, driver=neighbours)
    ExtTemplate().create(ctx, plan(provider="shelf", speed="fast"))
    hook, volume = neighbours.asked[0]
    assert (hook, volume.params, volume.instance) == (
        "create", {"speed": "fast"}, "inst1.example.com")
    assert volume.name == "d15c0000-0000-4000-8000-000000000000.ext.disk0"


def test_a_provider_that_the_node_lacks_is_named(neighbours: Neighbours) -> None:
    ctx = replace(neighbours.ctx, driver=neighbours)
    with pytest.raises(BlockDeviceError, match="Unknown extstorage 'attic'"):
        ExtTemplate().create(ctx, plan(provider="attic"))
    ExtTemplate().remove(ctx, plan(provider="attic"))
    assert not list(ctx.keep.iterdir())


def test_looking_at_an_open_disk_does_not_detach_it(neighbours: Neighbours) -> None:
    ctx, disk = replace(neighbours.ctx, driver=neighbours), plan(provider="shelf")
    template = ExtTemplate()
    template.create(ctx, disk)
    path = template.open(ctx, disk, exclusive=True).path
    neighbours.asked.clear()
    assert template.status(ctx, disk).path == path
    assert neighbours.asked == []


def answering(neighbours: Neighbours, **hooks: Any) -> HookContext:
    """A node on which some hooks of the provider do something else."""
    def ask(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        result = neighbours(kind, name, hook, **arguments)
        return hooks[hook]() if hook in hooks else result

    return replace(neighbours.ctx, driver=ask)


def hooks_of(neighbours: Neighbours) -> list[str]:
    return [hook for hook, _ in neighbours.asked]


def test_the_provider_learns_the_name_of_the_disk(neighbours: Neighbours) -> None:
    ctx = replace(neighbours.ctx, driver=neighbours)
    ExtTemplate().create(ctx, replace(plan(provider="shelf"), name="data"))
    assert neighbours.asked[0][1].disk_name == "data"


def test_a_volume_without_device_needs_userspace(neighbours: Neighbours) -> None:
    template, disk = ExtTemplate(), plan(provider="shelf")
    only_uri = answering(neighbours, attach=lambda: Attachment("", {"kvm": "rbd:p/i"}))
    template.create(only_uri, disk)
    with pytest.raises(BlockDeviceError, match=r"only URIs \(for kvm\): .*access=userspace"):
        template.open(only_uri, disk, exclusive=True)
    assert hooks_of(neighbours)[-1] == "detach"
    assert not list(neighbours.ctx.state.iterdir())

    userspace = replace(disk, params={"access": "userspace"})
    opened = template.open(only_uri, userspace, exclusive=True)
    assert (opened.path, opened.uris) == ("", {"kvm": "rbd:p/i"})
    neighbours.asked.clear()
    status = template.status(only_uri, userspace)
    assert (status.is_open, status.path, status.size) == (True, "", disk.size)
    assert neighbours.asked == []
    template.close(only_uri, userspace)
    assert "detach" in hooks_of(neighbours)


def test_what_cannot_be_opened_is_detached_again(neighbours: Neighbours) -> None:
    def refuse() -> None:
        raise BlockDeviceError("held elsewhere")

    template, disk = ExtTemplate(), plan(provider="shelf")
    ctx = answering(neighbours, open=refuse)
    neighbours.provider.open = lambda ctx, volume, exclusive: None
    template.create(ctx, disk)
    with pytest.raises(BlockDeviceError, match="held elsewhere"):
        template.open(ctx, disk, exclusive=True)
    assert hooks_of(neighbours)[-1] == "detach"
    assert not list(neighbours.ctx.state.iterdir())


@pytest.mark.parametrize("failing", ["attach", "open"])
def test_an_open_disk_that_cannot_be_opened_again_stays_attached(
    neighbours: Neighbours, failing: str
) -> None:
    """A guest uses it: it must not be detached below that, neither now nor by the next look."""
    def refuse() -> None:
        raise BlockDeviceError("the storage does not answer")

    template, disk = ExtTemplate(), plan(provider="shelf")
    neighbours.provider.open = lambda ctx, volume, exclusive: None
    ctx = replace(neighbours.ctx, driver=neighbours)
    template.create(ctx, disk)
    path = template.open(ctx, disk, exclusive=True).path
    with pytest.raises(BlockDeviceError, match="does not answer"):
        template.open(answering(neighbours, **{failing: refuse}), disk, exclusive=False)
    assert (status := template.status(ctx, disk)).is_open
    assert status.path == path
    assert "detach" not in hooks_of(neighbours)
    template.close(ctx, disk)
    assert hooks_of(neighbours)[-1] == "detach"


def test_an_open_disk_stays_attached_where_another_access_cannot_be(
    neighbours: Neighbours
) -> None:
    template, disk = ExtTemplate(), plan(provider="shelf")
    only_uri = answering(neighbours, attach=lambda: Attachment("", {"kvm": "rbd:p/i"}))
    template.create(only_uri, disk)
    template.open(only_uri, replace(disk, params={"access": "userspace"}), exclusive=True)
    with pytest.raises(BlockDeviceError, match="access=userspace"):
        template.open(only_uri, disk, exclusive=True)
    assert "detach" not in hooks_of(neighbours)
    template.close(only_uri, disk)
    assert hooks_of(neighbours)[-1] == "detach"


def test_what_an_interrupted_opening_has_attached_is_detached_at_last(
    neighbours: Neighbours
) -> None:
    def refuse() -> None:
        raise BlockDeviceError("the storage does not answer")

    template, disk = ExtTemplate(), plan(provider="shelf")
    ctx = replace(neighbours.ctx, driver=neighbours)
    template.create(ctx, disk)
    (ctx.state / f"{disk.uuid}.attached").touch()  # killed before it knew the device
    with pytest.raises(BlockDeviceError, match="does not answer"):
        template.open(answering(neighbours, attach=refuse), disk, exclusive=True)
    template.close(ctx, disk)
    assert hooks_of(neighbours)[-1] == "detach"
