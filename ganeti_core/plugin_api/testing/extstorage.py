"""The conformance of ExtStorage providers: `ExtStorageContract`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.extstorage import EXTSTORAGE, ExtStorageSpec, VolumeSpec
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once, defaults
from .calls import Calls
from .disk import read_mark, write_mark
from .footprint import Footprint
from .killing import killed_at_each_step


class ExtStorageContract(PluginContract):
    """Provide `driver`; and `more_footprint` where volumes are not files below the node's root."""

    kind: ClassVar[Kind[Any]] = EXTSTORAGE
    kill_points: ClassVar[int] = 6
    too_large: ClassVar[int] = 2**34
    """MiB that no storage of these tests has."""

    @pytest.fixture
    def volume(self, description: Description) -> VolumeSpec:
        """A volume to make."""
        return VolumeSpec(
            uuid="e2700000-0000-4000-8000-000000000001", size=8, instance="inst1.example.com",
            name="e2700000-0000-4000-8000-000000000001.ext.disk0", params=defaults(description))

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        """Changes to the default parameters that `verify` must refuse, each alone."""
        return []

    @pytest.fixture
    def provider(self, calls: Calls[ExtStorageSpec]) -> ExtStorageSpec:
        return calls.of(ExtStorageSpec)

    @pytest.fixture(autouse=True)
    def _removed(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> Iterable[None]:
        """Take away the volumes that a failed test left."""
        yield
        for one in (volume, second(volume)):
            provider.detach(ctx=ctx, volume=one)
            provider.remove(ctx=ctx, volume=one)

    def test_the_defaults_can_be_used(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        provider.verify(ctx=ctx, params=volume.params)

    def test_unusable_parameters_are_refused(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec,
        unusable_params: list[dict[str, Any]],
    ) -> None:
        for change in unusable_params:
            with pytest.raises(OpPrereqError):
                provider.verify(ctx=ctx, params=volume.params | change)

    def test_an_attached_volume_can_be_written(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        device = attached(provider, ctx, volume)
        assert Path(device).exists()
        write_mark(device, offset=volume.size * 1024**2 - 64)

    def test_attaching_twice_answers_the_same(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        attached(provider, ctx, volume)
        again = provider.attach(ctx=ctx, volume=volume)
        assert again == provider.attach(ctx=ctx, volume=volume)

    def test_data_outlive_detach_and_a_second_create(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        device = attached(provider, ctx, volume)
        write_mark(device)
        for _ in range(2):
            provider.detach(ctx=ctx, volume=volume)
        assert read_mark(attached(provider, ctx, volume)) == b"what the guest wrote"

    def test_a_missing_volume_cannot_be_attached_or_grown(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        with pytest.raises(BlockDeviceError):
            provider.attach(ctx=ctx, volume=volume)
        with pytest.raises(BlockDeviceError):
            provider.grow(ctx=ctx, volume=volume, size=2 * volume.size)

    def test_detaching_and_removing_a_missing_volume_is_harmless(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        for _ in range(2):
            provider.detach(ctx=ctx, volume=volume)
            provider.remove(ctx=ctx, volume=volume)

    def test_a_grown_volume_is_larger_and_keeps_its_data(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        device = attached(provider, ctx, volume)
        write_mark(device)
        provider.grow(ctx=ctx, volume=volume, size=2 * volume.size)
        device = provider.attach(ctx=ctx, volume=replace(volume, size=2 * volume.size)).device
        assert read_mark(device) == b"what the guest wrote"
        write_mark(device, offset=2 * volume.size * 1024**2 - 64)

    def test_create_and_remove_leave_nothing(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec, footprint: Footprint
    ) -> None:
        attached(provider, ctx, volume)
        provider.detach(ctx=ctx, volume=volume)
        provider.remove(ctx=ctx, volume=volume)
        footprint.assert_unchanged()

    def test_a_failed_create_leaves_nothing(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec, footprint: Footprint
    ) -> None:
        with pytest.raises(BlockDeviceError):
            provider.create(ctx=ctx, volume=replace(volume, size=self.too_large))
        footprint.assert_unchanged()

    def test_a_killed_create_can_be_removed(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec, footprint: Footprint
    ) -> None:
        create = functools.partial(provider.create, ctx=ctx, volume=volume)
        for _ in killed_at_each_step(create, self.kill_points):
            provider.remove(ctx=ctx, volume=volume)
            footprint.assert_unchanged()

    def test_two_volumes_can_be_made_at_once(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        devices = at_once(*(functools.partial(attached, provider, ctx, one)
                            for one in (volume, second(volume))))
        assert len(set(devices)) == 2

    def test_optional_hooks_work_where_they_are_offered(
        self, calls: Calls[Any], provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec
    ) -> None:
        provider.create(ctx=ctx, volume=volume)
        if "set_info" in calls.hooks:
            provider.set_info(ctx=ctx, volume=volume, text="originstname+inst1.example.com")
        if "open" in calls.hooks:
            provider.open(ctx=ctx, volume=volume, exclusive=True)
        if "close" in calls.hooks:
            provider.close(ctx=ctx, volume=volume)
        assert ("open" in calls.hooks) == ("close" in calls.hooks)

    def test_optional_hooks_are_offered_as_promised(
        self, calls: Calls[Any], description: Description
    ) -> None:
        promised = description.capabilities
        assert ("snapshot" in calls.hooks) == ("snapshots" in promised)
        assert ("open" in calls.hooks) == ("open_close" in promised)


def second(volume: VolumeSpec) -> VolumeSpec:
    """Name another volume beside `volume`."""
    return replace(volume, uuid=f"{volume.uuid[:-1]}2", name=f"other-{volume.name}")


def attached(provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec) -> str:
    """Make a volume and answer its device on this node."""
    provider.create(ctx=ctx, volume=volume)
    return provider.attach(ctx=ctx, volume=volume).device
