"""The conformance of disk templates: `DiskTemplateContract`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import BlockDeviceError, NotSupported, OpPrereqError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, DiskRequest, DiskSpec, NodeRef
from ganeti_core.plugin_api.disk import (
    ADOPTED_ONLY,
    ADOPTION,
    DISK_TEMPLATES,
    GROWABLE,
    LOCAL_SPACE,
    NO_DISKS,
    SNAPSHOTS,
    UNLISTED,
    AdoptionSpec,
    DiskTemplateSpec,
    PlanChild,
    SnapshotSpec,
)
from ganeti_core.plugin_api.disk_steps import DiskStep, Verb, plain_steps
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once
from .calls import Calls
from .contexts import declared_settings
from .footprint import Footprint
from .killing import killed_at_each_step
from .promises import not_promised
from .streams import given_to, giving, sent_by, with_streams

NODES = (
    NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "192.0.2.1"),
    NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "192.0.2.2"),
)
HERE = NODES[0]
MARK = b"what the guest wrote"
VERBS: dict[Verb, dict[str, Any]] = {
    "create": {}, "open": {}, "share": {}, "promote": {"force": False}, "demote": {}, "close": {},
    "grow": {"size": 64}, "remove": {},
}
"""Every verb that any template has, with arguments."""
MAKES = pytest.mark.usefixtures("_makes")
"""Of tests that have devices made."""


class DiskTemplateContract(PluginContract):
    """Provide `driver`; and a `ctx` whose node has the template's storage, made for the test."""

    kind: ClassVar[Kind[Any]] = DISK_TEMPLATES
    size: ClassVar[int] = 8
    """MiB of a disk of these tests."""
    too_large: ClassVar[int] = 2**34
    """MiB that no storage of these tests has."""

    @pytest.fixture
    def settings(self, driver: object) -> dict[str, Any]:
        """The cluster's settings that `layout` gets."""
        return declared_settings(driver)

    @pytest.fixture
    def disk_request(self) -> DiskRequest:
        """What an instance asks for."""
        return DiskRequest(
            uuid="d15c0000-0000-4000-8000-000000000000", index=0, size=self.size,
            instance_name="inst1.example.com", name="root")

    @pytest.fixture
    def template(self, calls: Calls[DiskTemplateSpec]) -> DiskTemplateSpec:
        return calls.of(DiskTemplateSpec)

    @pytest.fixture
    def lay_out(
        self, template: DiskTemplateSpec, description: Description,
        settings: dict[str, Any], disk_request: DiskRequest, plan_child: PlanChild,
    ) -> Callable[[int], DiskSpec]:
        """Plans the disk number N of one instance."""
        if NO_DISKS in description.capabilities:
            not_promised("disks")
        nodes = NODES[:description.nodes]

        def plan(index: int) -> DiskSpec:
            request = replace(disk_request, index=index, uuid=f"{disk_request.uuid[:-1]}{index}")
            if ADOPTED_ONLY in description.capabilities:
                named = f"{disk_request.options['adopt']}{index}"
                request = replace(request, options={**disk_request.options, "adopt": named})
            children: list[DiskSpec] = []
            granted = drawn(description, index)

            def child(below: str, request: DiskRequest) -> DiskSpec:
                children.append(replace(plan_child(below, request), nodes=nodes))
                return children[-1]

            planned = template.layout(request=request, nodes=nodes, granted=granted,
                                      settings=settings, plan_child=child)
            return replace(planned, nodes=nodes, granted=granted, children=tuple(children))

        return plan

    @pytest.fixture
    def plan_child(self) -> PlanChild:
        """Plans a device of another template; a template that lies on one provides this."""

        def refuse(template: str, request: DiskRequest) -> DiskSpec:
            raise AssertionError(f"the tests of this template provide no child of {template}")

        return refuse

    @pytest.fixture
    def _makes(self, description: Description) -> None:
        if ADOPTED_ONLY in description.capabilities:
            not_promised("making devices")

    @pytest.fixture
    def disk(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        """One device, not yet created, as its primary node gets it."""
        return lay_out(0).on(HERE.uuid)

    @pytest.fixture
    def other_disk(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        """A second disk of the same instance."""
        return lay_out(1).on(HERE.uuid)

    @pytest.fixture
    def listed(
        self, template: DiskTemplateSpec, ctx: HookContext, description: Description
    ) -> Callable[..., bool]:
        """Return whether exactly these devices are listed; of an unlisted template that none is."""

        def exactly(*disks: DiskSpec) -> bool:
            wanted = set() if UNLISTED in description.capabilities else {
                template.identity(disk=disk) for disk in disks}
            return set(template.devices(ctx=ctx)) == wanted

        return exactly

    # Planning

    def test_layout_keeps_what_was_asked(
        self, lay_out: Callable[[int], DiskSpec], disk_request: DiskRequest
    ) -> None:
        disk = lay_out(0)
        for field in ("uuid", "index", "size", "mode", "name"):
            assert getattr(disk, field) == getattr(disk_request, field), field

    def test_layout_is_pure(self, lay_out: Callable[[int], DiskSpec], footprint: Footprint) -> None:
        assert lay_out(0) == lay_out(0)
        footprint.assert_unchanged()

    def test_every_verb_is_planned_purely(
        self, template: DiskTemplateSpec, lay_out: Callable[[int], DiskSpec],
        description: Description, footprint: Footprint,
    ) -> None:
        disk, nodes = lay_out(0), NODES[:description.nodes]
        hooks = DISK_TEMPLATES.hooks()
        for verb, arguments in VERBS.items():
            planned = [template.steps(verb=verb, disk=disk, nodes=nodes, arguments=arguments,
                                      child_steps=plain_child_steps) for _ in range(2)]
            assert planned[0] == planned[1], f"{verb} is planned another way each time"
            for step in planned[0]:
                assert step.node in {node.uuid for node in nodes}, f"{verb}: an unknown node"
                assert step.disk.here == step.node, f"{verb}: the disk as another node sees it"
                assert {step.hook, step.undo or step.hook} <= hooks.keys(), f"{verb}: no such hook"
        footprint.assert_unchanged()

    def test_devices_are_made_on_each_node(
        self, template: DiskTemplateSpec, lay_out: Callable[[int], DiskSpec],
        description: Description,
    ) -> None:
        nodes = NODES[:description.nodes]
        steps = template.steps(verb="create", disk=lay_out(0), nodes=nodes, arguments={},
                               child_steps=plain_child_steps)
        assert {step.node for step in steps} == {node.uuid for node in nodes}
        assert all(step.undo for step in steps)

    def test_identities_tell_disks_apart(
        self, template: DiskTemplateSpec, disk: DiskSpec, other_disk: DiskSpec
    ) -> None:
        assert template.identity(disk=disk) != template.identity(disk=other_disk)

    def test_a_template_has_disks_or_refuses_them(
        self, template: DiskTemplateSpec, description: Description,
        settings: dict[str, Any], disk_request: DiskRequest, plan_child: PlanChild,
    ) -> None:
        lay_out = functools.partial(
            template.layout, request=disk_request, nodes=NODES[:description.nodes],
            granted=drawn(description, 0), settings=settings, plan_child=plan_child)
        if NO_DISKS in description.capabilities:
            with pytest.raises(OpPrereqError):
                lay_out()
        else:
            assert lay_out().uuid == disk_request.uuid

    # The node

    def test_a_fit_node_has_no_problems(self, template: DiskTemplateSpec, ctx: HookContext) -> None:
        assert template.verify(ctx=ctx) == []

    def test_space_is_plausible(
        self, template: DiskTemplateSpec, ctx: HookContext, description: Description
    ) -> None:
        spaces = template.space(ctx=ctx)
        assert spaces or LOCAL_SPACE not in description.capabilities
        for space in spaces:
            assert space.name
            assert 0 <= space.free <= space.total

    # One device

    @MAKES
    def test_a_created_device_is_there(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec,
        listed: Callable[..., bool],
    ) -> None:
        assert not template.status(ctx=ctx, disk=disk).exists
        assert listed()
        template.create(ctx=ctx, disk=disk)
        status = template.status(ctx=ctx, disk=disk)
        assert status.exists
        assert status.size >= disk.size
        assert not status.degraded
        assert listed(disk)

    @MAKES
    def test_a_removed_device_is_gone(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, other_disk: DiskSpec,
        listed: Callable[..., bool],
    ) -> None:
        template.create(ctx=ctx, disk=disk)
        template.create(ctx=ctx, disk=other_disk)
        template.remove(ctx=ctx, disk=disk)
        assert not template.status(ctx=ctx, disk=disk).exists
        assert listed(other_disk)
        assert template.status(ctx=ctx, disk=other_disk).exists

    @MAKES
    def test_an_open_device_can_be_written(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        path = create_and_open(template, ctx, disk)
        write_mark(path, offset=disk.size * 1024**2 - len(MARK))
        assert read_mark(path, offset=disk.size * 1024**2 - len(MARK)) == MARK

    @MAKES
    def test_data_can_be_sent_to_another_disk(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, other_disk: DiskSpec
    ) -> None:
        streaming = with_streams(ctx)
        first, second = (
            replace(one, path=create_and_open(template, ctx, one)) for one in (disk, other_disk))
        write_mark(first.path, offset=disk.size * 1024**2 - len(MARK))
        sent = sent_by(streaming, lambda offer: template.send_data(
            ctx=streaming, disk=first, offer=offer))
        given_to(streaming, sent, lambda offer: template.receive_data(
            ctx=streaming, disk=second, offer=offer))
        assert read_mark(second.path, offset=disk.size * 1024**2 - len(MARK)) == MARK
        with (giving(streaming, [sent, MARK]) as (offer, _), pytest.raises(BlockDeviceError)):
            template.receive_data(ctx=streaming, disk=second, offer=offer)

    @MAKES
    def test_what_was_written_can_be_wiped(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        opened = replace(disk, path=create_and_open(template, ctx, disk))
        last = disk.size * 1024**2 - len(MARK)
        for at in (0, last):
            write_mark(opened.path, offset=at)
        template.wipe(ctx=ctx, disk=opened, start=1)
        assert read_mark(opened.path, offset=0) == MARK, "it begins where it is to begin"
        assert read_mark(opened.path, offset=last) == bytes(len(MARK))

    @MAKES
    def test_opening_twice_is_harmless(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        path = create_and_open(template, ctx, disk)
        for exclusive in (True, False):
            assert template.open(ctx=ctx, disk=disk, exclusive=exclusive).path == path

    @MAKES
    def test_data_outlive_close_and_a_second_create(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        write_mark(create_and_open(template, ctx, disk))
        for _ in range(2):
            template.close(ctx=ctx, disk=disk)
        template.create(ctx=ctx, disk=disk)
        assert read_mark(template.open(ctx=ctx, disk=disk, exclusive=True).path) == MARK

    @MAKES
    def test_a_new_disk_holds_nothing_of_an_old_one(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        write_mark(create_and_open(template, ctx, disk))
        template.close(ctx=ctx, disk=disk)
        template.remove(ctx=ctx, disk=disk)
        with pytest.raises(BlockDeviceError):
            template.open(ctx=ctx, disk=disk, exclusive=True)
        assert not template.status(ctx=ctx, disk=disk).exists

    def test_a_missing_device_cannot_be_opened(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        with pytest.raises(BlockDeviceError):
            template.open(ctx=ctx, disk=disk, exclusive=True)

    def test_closing_and_removing_a_missing_device_is_harmless(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        template.close(ctx=ctx, disk=disk)
        for _ in range(2):
            template.remove(ctx=ctx, disk=disk)

    # Names of instances

    def test_a_renamed_device_keeps_its_data(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec
    ) -> None:
        renamed = template.renamed(disk=disk, instance_name="renamed.example.com")
        if renamed == disk:
            not_promised("renamed")
        write_mark(create_and_open(template, ctx, disk))
        template.close(ctx=ctx, disk=disk)
        for old, new in ((disk, renamed), (renamed, disk)):
            for _ in range(2):
                template.rename(ctx=ctx, disk=old, to=new)
            assert template.identity(disk=old) != template.identity(disk=new)
            assert not template.status(ctx=ctx, disk=old).exists
            assert read_mark(template.open(ctx=ctx, disk=new, exclusive=True).path) == MARK
            template.close(ctx=ctx, disk=new)
        template.remove(ctx=ctx, disk=disk)
        template.rename(ctx=ctx, disk=disk, to=renamed)
        assert not template.status(ctx=ctx, disk=renamed).exists

    # Growing

    def test_growing_is_offered_as_promised(
        self, calls: Calls[Any], description: Description
    ) -> None:
        assert ("grow" in calls.hooks) == (GROWABLE in description.capabilities)

    def test_a_grown_disk_is_larger_and_keeps_its_data(
        self, template: DiskTemplateSpec, ctx: HookContext, growable_disk: DiskSpec
    ) -> None:
        path = create_and_open(template, ctx, growable_disk)
        write_mark(path)
        larger = growable_disk.size * 2
        for _ in range(2):
            template.grow(ctx=ctx, disk=growable_disk, size=larger)
        assert template.status(ctx=ctx, disk=growable_disk).size >= larger
        assert read_mark(template.open(ctx=ctx, disk=growable_disk, exclusive=True).path) == MARK

    def test_a_disk_never_shrinks(
        self, template: DiskTemplateSpec, ctx: HookContext, growable_disk: DiskSpec
    ) -> None:
        template.create(ctx=ctx, disk=growable_disk)
        before = template.status(ctx=ctx, disk=growable_disk).size
        template.grow(ctx=ctx, disk=growable_disk, size=growable_disk.size // 2)
        assert template.status(ctx=ctx, disk=growable_disk).size == before

    def test_a_disk_that_cannot_grow_keeps_its_size(
        self, template: DiskTemplateSpec, ctx: HookContext, growable_disk: DiskSpec
    ) -> None:
        with pytest.raises(BlockDeviceError):
            template.grow(ctx=ctx, disk=growable_disk, size=growable_disk.size)
        template.create(ctx=ctx, disk=growable_disk)
        before = template.status(ctx=ctx, disk=growable_disk)
        with pytest.raises(BlockDeviceError):
            template.grow(ctx=ctx, disk=growable_disk, size=self.too_large)
        assert template.status(ctx=ctx, disk=growable_disk) == before

    def test_a_killed_grow_can_be_repeated(
        self, template: DiskTemplateSpec, ctx: HookContext, growable_disk: DiskSpec
    ) -> None:
        larger = growable_disk.size * 2
        grow = functools.partial(template.grow, ctx=ctx, disk=growable_disk, size=larger)
        template.create(ctx=ctx, disk=growable_disk)
        for _ in killed_at_each_step(grow, self.kill_points):
            assert template.status(ctx=ctx, disk=growable_disk).size >= growable_disk.size
            grow()
            assert template.status(ctx=ctx, disk=growable_disk).size >= larger
            template.remove(ctx=ctx, disk=growable_disk)
            template.create(ctx=ctx, disk=growable_disk)

    @pytest.fixture
    def growable_disk(self, description: Description, disk: DiskSpec) -> DiskSpec:
        if GROWABLE not in description.capabilities:
            not_promised(GROWABLE)
        return disk

    # Leftovers and callers

    @MAKES
    def test_create_and_remove_leave_nothing(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, footprint: Footprint
    ) -> None:
        create_and_open(template, ctx, disk)
        template.close(ctx=ctx, disk=disk)
        template.remove(ctx=ctx, disk=disk)
        footprint.assert_unchanged()

    @MAKES
    def test_a_failed_create_leaves_nothing(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, footprint: Footprint
    ) -> None:
        with pytest.raises(BlockDeviceError):
            template.create(ctx=ctx, disk=sized(disk, self.too_large))
        footprint.assert_unchanged()
        assert template.devices(ctx=ctx) == []

    @MAKES
    def test_a_killed_create_can_be_removed_or_repeated(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, footprint: Footprint
    ) -> None:
        create = functools.partial(template.create, ctx=ctx, disk=disk)
        for _ in killed_at_each_step(create, self.kill_points):
            create()
            assert template.status(ctx=ctx, disk=disk).size >= disk.size
            template.remove(ctx=ctx, disk=disk)
            footprint.assert_unchanged()
        for _ in killed_at_each_step(create, self.kill_points):
            template.remove(ctx=ctx, disk=disk)
            footprint.assert_unchanged()

    @MAKES
    def test_a_killed_remove_can_be_finished(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, footprint: Footprint
    ) -> None:
        template.create(ctx=ctx, disk=disk)
        remove = functools.partial(template.remove, ctx=ctx, disk=disk)
        for _ in killed_at_each_step(remove, self.kill_points):
            remove()
            footprint.assert_unchanged()
            template.create(ctx=ctx, disk=disk)

    @MAKES
    def test_two_disks_can_be_made_and_removed_at_once(
        self, template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec, other_disk: DiskSpec,
        footprint: Footprint, listed: Callable[..., bool],
    ) -> None:
        both = (disk, other_disk)
        for _ in range(5):
            at_once(*(functools.partial(template.create, ctx=ctx, disk=one) for one in both))
            assert listed(*both)
            at_once(*(functools.partial(template.remove, ctx=ctx, disk=one) for one in both))
        footprint.assert_unchanged()

    # Snapshots

    def test_a_snapshot_keeps_the_data_of_its_moment(
        self, calls: Calls[Any], template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec,
        description: Description, footprint: Footprint,
    ) -> None:
        snapshots: SnapshotSpec = calls.of(SnapshotSpec)
        if SNAPSHOTS not in description.capabilities:
            with pytest.raises(NotSupported):
                snapshots.snapshot(ctx=ctx, disk=disk, name="before")
            return
        path = create_and_open(template, ctx, disk)
        write_mark(path)
        copy = snapshots.snapshot(ctx=ctx, disk=disk, name="before")
        write_mark(path, bytes(len(MARK)))
        assert read_mark(copy) == MARK
        for _ in range(2):
            snapshots.remove_snapshot(ctx=ctx, disk=disk, name="before")
        template.close(ctx=ctx, disk=disk)
        template.remove(ctx=ctx, disk=disk)
        footprint.assert_unchanged()

    # Adoption

    @pytest.fixture
    def adopting_disk(self, description: Description) -> DiskSpec:
        """A disk, as its node gets it, that is to adopt something unused there of its own size."""
        if ADOPTION not in description.capabilities:
            not_promised(ADOPTION)
        raise NotImplementedError("provide a fixture `adopting_disk`")

    def test_what_is_adopted_keeps_its_data_and_is_given_back(
        self, calls: Calls[Any], template: DiskTemplateSpec, ctx: HookContext,
        adopting_disk: DiskSpec, description: Description, footprint: Footprint,
    ) -> None:
        disk, adoption = adopting_disk, calls.of(AdoptionSpec)
        stays = ADOPTED_ONLY in description.capabilities
        steps = template.steps(verb="create", disk=disk, nodes=disk.nodes, arguments={},
                               child_steps=plain_child_steps)
        assert [(step.hook, step.undo) for step in steps] == [("adopt", "give_back")]
        assert (adoption.adopts(disk=disk) == template.identity(disk=disk)) == stays
        for _ in range(2):
            assert adoption.adoptable(ctx=ctx, disk=disk) == disk.size
            for _ in range(2):
                adoption.adopt(ctx=ctx, disk=disk)
            if not stays:
                with pytest.raises(OpPrereqError):
                    adoption.adoptable(ctx=ctx, disk=disk)
            write_mark(template.open(ctx=ctx, disk=disk, exclusive=True).path)
            template.close(ctx=ctx, disk=disk)
            for _ in range(2):
                adoption.give_back(ctx=ctx, disk=disk)
            footprint.assert_unchanged()
        adoption.adopt(ctx=ctx, disk=disk)
        assert read_mark(template.open(ctx=ctx, disk=disk, exclusive=True).path) == MARK
        template.remove(ctx=ctx, disk=disk)
        if stays:
            assert read_mark(template.open(ctx=ctx, disk=disk, exclusive=True).path) == MARK
            assert template.status(ctx=ctx, disk=disk).size == disk.size
            footprint.assert_unchanged()

    def test_a_template_that_only_adopts_makes_nothing(
        self, template: DiskTemplateSpec, ctx: HookContext, description: Description,
        disk: DiskSpec, footprint: Footprint,
    ) -> None:
        if ADOPTED_ONLY not in description.capabilities:
            not_promised(ADOPTED_ONLY)
        with pytest.raises(BlockDeviceError):
            template.create(ctx=ctx, disk=disk)
        footprint.assert_unchanged()

    @pytest.fixture(autouse=True)
    def _removed(self, request: pytest.FixtureRequest, driver: object, ctx: HookContext,
                 ) -> Iterable[None]:
        """Take away the devices that a failed test left, so that no loop or volume stays."""
        yield
        direct = Calls.to(self.kind, driver, "direct").of(DiskTemplateSpec)
        for name in ("disk", "other_disk"):
            disk = request.node.funcargs.get(name)
            if disk is not None:
                direct.close(ctx=ctx, disk=disk)
                direct.remove(ctx=ctx, disk=disk)


def sized(disk: DiskSpec, size: int) -> DiskSpec:
    """The device, and those that it lies on, with another size (MiB)."""
    return replace(disk, size=size, children=tuple(sized(child, size) for child in disk.children))


def drawn(description: Description, index: int) -> dict[str, Any]:
    """What the core would draw from the pools of a template for disk number `index`."""
    pools: dict[str, Any] = {
        "minor": {node.uuid: 2 * index + at for at, node in enumerate(NODES[:description.nodes])},
        "port": 11000 + index, "secret": f"secret of disk {index}"}
    return {name: pools[name] for name in sorted(description.pools)}


def plain_child_steps(
    verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: dict[str, Any]
) -> list[DiskStep]:
    """Plan a child as a template without a hook ``steps`` would."""
    return plain_steps(verb, disk, nodes, arguments, plain_child_steps)


def create_and_open(template: DiskTemplateSpec, ctx: HookContext, disk: DiskSpec) -> str:
    """Make a device usable and answer its path."""
    template.create(ctx=ctx, disk=disk)
    return template.open(ctx=ctx, disk=disk, exclusive=True).path


def write_mark(path: str, mark: bytes = MARK, offset: int = 0) -> None:
    """Write where a guest would."""
    with Path(path).open("r+b") as device:
        device.seek(offset)
        device.write(mark)


def read_mark(path: str, offset: int = 0) -> bytes:
    """Read what `write_mark` wrote."""
    with Path(path).open("rb") as device:
        device.seek(offset)
        return device.read(len(MARK))
