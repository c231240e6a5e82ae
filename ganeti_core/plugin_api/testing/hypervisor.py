"""The conformance of hypervisors: `HypervisorContract`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import HypervisorError, NotSupported, OpPrereqError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import (
    Description,
    DiskSpec,
    InstanceSpec,
    NicSpec,
    NodeRef,
    RunningInstance,
)
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_MIRROR,
    DISK_RESIZE,
    HYPERVISORS,
    QUIET,
    USAGE,
    HypervisorSpec,
)
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once, defaults
from .calls import CallMode, Calls
from .footprint import Footprint
from .killing import killed_at_each_step
from .migration import MigrationTests

HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "127.0.0.1")


class HypervisorContract(MigrationTests, PluginContract):
    """Provide `driver`, `instance` and `unbootable`; more where the defaults do not suit."""

    kind: ClassVar[Kind[Any]] = HYPERVISORS
    stop_timeout: ClassVar[float] = 2.0
    """Seconds that a guest of these tests gets to shut down before it is killed."""

    @pytest.fixture
    def instance(self) -> InstanceSpec:
        """An instance that boots, its disks open."""
        raise NotImplementedError("provide a fixture `instance`")

    @pytest.fixture
    def other_instance(self, instance: InstanceSpec) -> InstanceSpec:
        """A second one that can run beside it."""
        return replace(instance, name=f"other-{instance.name}", disks=(), nics=(),
                       uuid="c0ffee00-0000-4000-8000-000000000002")

    @pytest.fixture
    def unbootable(self) -> InstanceSpec:
        """An instance that cannot start: a kernel or disk that is missing, a bad parameter."""
        raise NotImplementedError("provide a fixture `unbootable`")

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        """Changes to the default parameters that `validate` must refuse, each alone."""
        return []

    @pytest.fixture
    def restarted(self, driver: object, call_mode: CallMode) -> Calls[Any]:
        """The driver as a daemon has it after its own restart."""
        return Calls.to(self.kind, type(driver)(), call_mode)

    @pytest.fixture
    def hypervisor(self, calls: Calls[HypervisorSpec]) -> HypervisorSpec:
        return calls.of(HypervisorSpec)

    @pytest.fixture(autouse=True)
    def _stopped(self, hypervisor: HypervisorSpec, ctx: HookContext) -> Iterable[None]:
        """End what a test leaves running."""
        yield
        for guest in hypervisor.running(ctx=ctx):
            hypervisor.stop(ctx=ctx, instance=left_behind(guest), force=True, timeout=0.0)

    # The node

    def test_a_fit_node_has_no_problems(
        self, hypervisor: HypervisorSpec, ctx: HookContext
    ) -> None:
        assert hypervisor.verify(ctx=ctx) == []

    def test_host_facts_are_plausible(
        self, hypervisor: HypervisorSpec, ctx: HookContext
    ) -> None:
        facts = hypervisor.host_facts(ctx=ctx)
        assert 0 <= facts.memory_free <= facts.memory_total
        assert 0 <= facts.memory_host <= facts.memory_total
        assert facts.memory_total > 0
        assert facts.cpu_total >= facts.cpu_sockets >= 1
        assert facts.cpu_nodes >= 1
        assert 1 <= facts.host_cpus <= facts.cpu_total

    def test_the_defaults_can_be_used(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        description: Description,
    ) -> None:
        hypervisor.validate(ctx=ctx, params=defaults(description) | instance.hvparams)

    def test_unusable_parameters_are_refused(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        description: Description, unusable_params: list[dict[str, Any]],
    ) -> None:
        usable = defaults(description) | instance.hvparams
        for change in unusable_params:
            with pytest.raises(OpPrereqError) as refusal:
                hypervisor.validate(ctx=ctx, params=usable | change)
            assert any(name in str(refusal.value) for name in change), refusal.value

    # One guest

    def test_nothing_runs_at_first(self, hypervisor: HypervisorSpec, ctx: HookContext) -> None:
        assert hypervisor.running(ctx=ctx) == []

    def test_a_started_guest_is_listed(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        listed = hypervisor.running(ctx=ctx)
        assert [(guest.name, guest.uuid) for guest in listed] == [(instance.name, instance.uuid)]
        assert (listed[0].memory, listed[0].vcpus) == (instance.memory, instance.vcpus)
        assert listed[0].state == "running"
        told = hypervisor.info(ctx=ctx, instance=instance)
        assert told is not None
        # Time passes between two looks at a running guest.
        assert replace(told, cpu_time=0.0) == replace(listed[0], cpu_time=0.0)

    def test_a_guest_can_be_started_paused(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=True)
        told = hypervisor.info(ctx=ctx, instance=instance)
        assert told is not None
        assert told.state == "paused"

    def test_starting_twice_leaves_the_guest_alone(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        before = Footprint((ctx,))
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        before.assert_unchanged()
        assert len(hypervisor.running(ctx=ctx)) == 1

    @pytest.mark.parametrize("force", [True, False])
    def test_a_stopped_guest_is_gone(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec, force: bool
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        hypervisor.stop(ctx=ctx, instance=instance, force=force, timeout=self.stop_timeout)
        assert hypervisor.running(ctx=ctx) == []
        assert hypervisor.info(ctx=ctx, instance=instance) is None

    def test_stopping_twice_is_harmless(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        for _ in range(2):
            hypervisor.stop(ctx=ctx, instance=instance, force=True, timeout=0.0)

    def test_an_unknown_guest_is_nobody(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        assert hypervisor.info(ctx=ctx, instance=instance) is None
        hypervisor.stop(ctx=ctx, instance=instance, force=False, timeout=self.stop_timeout)
        with pytest.raises(HypervisorError):
            hypervisor.reboot(ctx=ctx, instance=instance)

    def test_a_rebooted_guest_still_runs(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        hypervisor.reboot(ctx=ctx, instance=instance)
        told = hypervisor.info(ctx=ctx, instance=instance)
        assert told is not None
        assert told.state == "running"

    def test_the_console_tells_how_and_starts_nothing(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        before = Footprint((ctx,))
        console = hypervisor.console(ctx=ctx, instance=instance, node=HERE)
        before.assert_unchanged()
        assert console.instance == instance.name
        needed = {"ssh": console.host and console.command, "msg": console.message,
                  "spice": console.host and console.port,
                  "vnc": console.path or (console.host and console.port),
                  "unix": console.path, "serial": console.path}
        assert needed[console.kind], f"a console of kind {console.kind} must say more"

    # Leftovers

    def test_start_and_stop_leave_nothing(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        def once(guest: InstanceSpec) -> None:
            hypervisor.start(ctx=ctx, instance=guest, paused=False)
            hypervisor.stop(ctx=ctx, instance=guest, force=True, timeout=0.0)

        once(other_instance)  # folders that stay for all guests are made now
        before = Footprint((ctx,), more_footprint)
        once(instance)
        before.assert_unchanged()

    def test_a_failed_start_leaves_nothing(
        self, hypervisor: HypervisorSpec, ctx: HookContext, unbootable: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        hypervisor.start(ctx=ctx, instance=other_instance, paused=False)
        before = Footprint((ctx,), more_footprint)
        with pytest.raises(HypervisorError):
            hypervisor.start(ctx=ctx, instance=unbootable, paused=False)
        before.assert_unchanged()
        assert [guest.name for guest in hypervisor.running(ctx=ctx)] == [other_instance.name]

    def test_a_killed_start_can_be_cleaned_and_repeated(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        hypervisor.start(ctx=ctx, instance=other_instance, paused=False)
        before = Footprint((ctx,), more_footprint)
        start = functools.partial(hypervisor.start, ctx=ctx, instance=instance, paused=False)
        for _ in killed_at_each_step(start, self.kill_points):
            hypervisor.recover(ctx=ctx)
            hypervisor.stop(ctx=ctx, instance=instance, force=True, timeout=0.0)
            before.assert_unchanged()
        start()
        assert hypervisor.info(ctx=ctx, instance=instance) is not None

    def test_a_killed_stop_can_be_finished(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        hypervisor.start(ctx=ctx, instance=other_instance, paused=False)
        before = Footprint((ctx,), more_footprint)
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        stop = functools.partial(
            hypervisor.stop, ctx=ctx, instance=instance, force=True, timeout=0.0)
        for _ in killed_at_each_step(stop, self.kill_points):
            hypervisor.recover(ctx=ctx)
            stop()
            before.assert_unchanged()
            hypervisor.start(ctx=ctx, instance=instance, paused=False)

    # Daemons come and go, callers are many

    def test_guests_outlive_the_daemon(
        self, hypervisor: HypervisorSpec, restarted: Calls[HypervisorSpec], ctx: HookContext,
        instance: InstanceSpec,
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        again = restarted.of(HypervisorSpec)
        assert all(line.strip() for line in again.recover(ctx=ctx))
        assert [guest.uuid for guest in again.running(ctx=ctx)] == [instance.uuid]
        again.stop(ctx=ctx, instance=instance, force=True, timeout=0.0)
        assert hypervisor.running(ctx=ctx) == []

    def test_two_guests_can_start_and_stop_at_once(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec,
    ) -> None:
        both = (instance, other_instance)
        at_once(*(functools.partial(hypervisor.start, ctx=ctx, instance=guest, paused=False)
                  for guest in both))
        names = {guest.name for guest in hypervisor.running(ctx=ctx)}
        assert names == {guest.name for guest in both}
        at_once(functools.partial(hypervisor.running, ctx=ctx),
                *(functools.partial(hypervisor.stop, ctx=ctx, instance=guest, force=True,
                                    timeout=0.0) for guest in both))
        assert hypervisor.running(ctx=ctx) == []

    def test_a_guest_that_its_instance_left_behind_can_be_ended(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        """Nothing more is known of it than its name and uuid."""
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        (guest,) = hypervisor.running(ctx=ctx)
        found = hypervisor.info(ctx=ctx, instance=left_behind(guest))
        assert found is not None
        hypervisor.stop(ctx=ctx, instance=left_behind(guest), force=False,
                        timeout=self.stop_timeout)
        assert hypervisor.running(ctx=ctx) == []

    def test_what_is_kept_of_a_stopped_instance_follows_its_name(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec
    ) -> None:
        if "rename" not in calls.hooks:
            return  # the host refuses the hook, which other tests see to
        to = replace(instance, name=f"renamed-{instance.name}")
        there = {"ctx": ctx, "instance": instance, "to": to}
        calls.call("rename", there)
        calls.call("start", {"ctx": ctx, "instance": instance, "paused": False})
        calls.call("stop", {"ctx": ctx, "instance": instance, "force": True, "timeout": 0.0})
        for _ in range(2):
            calls.call("rename", there)
        kept = [name for _, _, files in os.walk(ctx.root) for name in files]
        assert not [name for name in kept if name.startswith(instance.name)]
        calls.call("rename", {"ctx": ctx, "instance": to, "to": instance})
        assert not [name for _, _, files in os.walk(ctx.root) for name in files
                    if name.startswith(to.name)]
        calls.call("start", {"ctx": ctx, "instance": to, "paused": False})

    # Changing a running guest's devices

    def test_nothing_can_be_plugged_into_a_guest_that_does_not_run(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec
    ) -> None:
        disk = DiskSpec("d15c0000-0000-4000-8000-00000000000f", 7, "any", 1, path="/no/such/disk")
        nic = NicSpec("41c00000-0000-4000-8000-00000000000f", 7, "aa:00:00:00:00:0f", mode="user")
        refusal = HypervisorError if "plug_disk" in calls.hooks else NotSupported
        for hook, device in (("plug_disk", {"disk": disk}), ("plug_nic", {"nic": nic}),
                             ("unplug_disk", {"disk": disk}), ("unplug_nic", {"nic": nic}),
                             ("modify_nic", {"nic": nic})):
            with pytest.raises(refusal):
                calls.call(hook, {"ctx": ctx, "instance": instance, **device})

    def test_a_guest_sees_that_its_disk_has_grown_where_that_is_promised(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec, description: Description
    ) -> None:
        grown = [replace(disk, size=disk.size + 1) for disk in instance.disks] or [DiskSpec(
            "d15c0000-0000-4000-8000-00000000000f", 0, "any", 2, path="/no/such/disk")]
        arguments = {"ctx": ctx, "instance": instance}
        if DISK_RESIZE not in description.capabilities:
            assert description.lacking.get(DISK_RESIZE, "unsaid").strip()
            with pytest.raises(NotSupported):
                calls.call("resize_disk", {**arguments, "disk": grown[0]})
            return
        with pytest.raises(HypervisorError):
            calls.call("resize_disk", {**arguments, "disk": grown[0]})
        calls.call("start", {**arguments, "paused": False})
        for disk in grown if instance.disks else ():
            if Path(disk.path).is_file():
                with pytest.raises(HypervisorError):  # it has not grown
                    calls.call("resize_disk", {**arguments, "disk": replace(disk, size=1 << 20)})
                os.truncate(disk.path, (disk.size << 20) + 4096)  # rounded up by its storage
                for _ in range(2):
                    calls.call("resize_disk", {**arguments, "disk": disk})
                assert Path(disk.path).stat().st_size == (disk.size << 20) + 4096
        assert [guest.uuid for guest in calls.call("running", {"ctx": ctx})] == [instance.uuid]

    # What is kept of an instance beyond its runs

    def test_what_is_kept_of_an_instance_can_be_taken_along_and_forgotten(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec
    ) -> None:
        arguments = {"ctx": ctx, "instance": instance}
        if "lasting_state" not in calls.hooks:
            assert "set_lasting_state" not in calls.hooks
            return
        before = Footprint((ctx,))
        state = calls.call("lasting_state", arguments)
        for _ in range(2):
            calls.call("set_lasting_state", {**arguments, "state": state})
        assert calls.call("lasting_state", arguments) == state
        for _ in range(2):
            calls.call("set_lasting_state", {**arguments, "state": ""})
        assert calls.call("lasting_state", arguments) == ""
        before.assert_unchanged()

    # Disks of a running guest that stand still

    def test_a_guest_that_was_quiet_writes_again_where_that_is_promised(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec, description: Description
    ) -> None:
        arguments = {"ctx": ctx, "instance": instance}
        able = QUIET in description.capabilities
        with pytest.raises(HypervisorError if able else NotSupported):
            calls.call("quiet", arguments)
        if not able:
            return
        calls.call("resume_writes", arguments)  # does not run: no error
        calls.call("start", {**arguments, "paused": False})
        calls.call("resume_writes", arguments)  # never stood still: no error
        with suppress(HypervisorError):  # it may need the help of its guest
            calls.call("quiet", arguments)
        calls.call("resume_writes", arguments)
        assert [guest.state for guest in calls.call("running", {"ctx": ctx})] == ["running"]

    # What running guests use

    def test_what_guests_use_is_counted_where_that_is_promised(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec, description: Description
    ) -> None:
        if USAGE not in description.capabilities:
            with pytest.raises(NotSupported):
                calls.call("usage", {"ctx": ctx})
            return
        assert calls.call("usage", {"ctx": ctx}) == []
        calls.call("start", {"ctx": ctx, "instance": instance, "paused": False})
        before = Footprint((ctx,))
        (first,), (second,) = (calls.call("usage", {"ctx": ctx}) for _ in range(2))
        before.assert_unchanged()
        assert (first.name, first.uuid) == (instance.name, instance.uuid)
        assert 0 <= first.cpu_seconds <= second.cpu_seconds
        assert first.memory >= 0
        for kind, devices in (("disks", instance.disks), ("nics", instance.nics)):
            counts = [counted(getattr(one, kind)) for one in (first, second)]
            assert counts[0].keys() <= {device.index for device in devices}
            for index, figures in counts[0].items():
                # All only grow; devices need not be counted at each look.
                later = counts[1].get(index, figures)
                assert all(0 <= one <= other for one, other in zip(figures, later, strict=True))

    # Disks of a running guest that become others

    @pytest.fixture
    def mirrored_disk(self, instance: InstanceSpec) -> DiskSpec:
        """A disk of `instance`, with a path."""
        return instance.disks[0]

    @pytest.fixture
    def other_disk(self, mirrored_disk: DiskSpec, tmp_path: Path) -> DiskSpec:
        """Another one of its size, which has other data."""
        path = tmp_path / "other-disk"
        path.write_bytes(b"x" * Path(mirrored_disk.path).stat().st_size)
        return replace(mirrored_disk, uuid="07e20000-0000-4000-8000-0000000000f2", path=str(path),
                       uris={})

    def test_a_disk_becomes_another_one_while_its_guest_runs_where_that_is_promised(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec,
        description: Description, request: pytest.FixtureRequest,
    ) -> None:
        hooks = ("mirror_disk", "mirror_status", "switch_disk", "end_mirror")
        if DISK_MIRROR not in description.capabilities:
            disk = DiskSpec("d15c0000-0000-4000-8000-0000000000f1", 0, "any", 1, path="/no/such")
            for hook in hooks:
                with pytest.raises(NotSupported):
                    calls.call(hook, {"ctx": ctx, "instance": instance, "disk": disk, "onto": disk})
            return
        disk, onto = (request.getfixturevalue(name) for name in ("mirrored_disk", "other_disk"))
        pair = {"ctx": ctx, "instance": instance, "disk": disk, "onto": onto}
        with pytest.raises(HypervisorError):
            calls.call("mirror_disk", pair)  # it does not run
        calls.call("end_mirror", pair)  # and that is no error here
        calls.call("start", {"ctx": ctx, "instance": instance, "paused": True})
        assert calls.call("mirror_status", pair).state == "none"
        for _ in range(2):
            calls.call("mirror_disk", pair)
        _await_sync(calls, pair)
        for _ in range(2):
            calls.call("end_mirror", pair)
        assert calls.call("mirror_status", pair).state == "none"
        calls.call("mirror_disk", pair)
        _await_sync(calls, pair)
        for _ in range(2):
            calls.call("switch_disk", pair)
        assert calls.call("mirror_status", pair).state == "switched"
        assert Path(onto.path).read_bytes() == Path(disk.path).read_bytes()
        with pytest.raises(HypervisorError):
            calls.call("end_mirror", pair)
        assert [guest.state for guest in calls.call("running", {"ctx": ctx})] == ["paused"]

    # Memory of a running guest

    def test_memory_changes_while_the_guest_runs_where_that_is_promised(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec, description: Description
    ) -> None:
        less = {"ctx": ctx, "instance": instance, "memory": max(1, instance.memory - 1)}
        able = BALLOON in description.capabilities
        with pytest.raises(HypervisorError if able else NotSupported):
            calls.call("set_memory", less)
        if able:
            calls.call("start", {"ctx": ctx, "instance": instance, "paused": False})
            for _ in range(2):
                calls.call("set_memory", less)
            assert [guest.memory for guest in calls.call("running", {"ctx": ctx})] == [
                less["memory"]]
            calls.call("stop", {"ctx": ctx, "instance": instance, "force": True, "timeout": 0.0})
            calls.call("start", {"ctx": ctx, "instance": instance, "paused": False})
            found = calls.call("info", {"ctx": ctx, "instance": instance})
            assert found.memory == instance.memory


def counted(devices: Iterable[Any]) -> dict[int, tuple[int, ...]]:
    """Return the counts of each disk or card, by its index."""
    return {index: tuple(figures) for index, *figures in map(astuple, devices)}


def _await_sync(calls: Calls[Any], pair: dict[str, Any]) -> None:
    deadline = time.monotonic() + 60.0
    while (status := calls.call("mirror_status", pair)).state == "active":
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    assert status.state == "synced", status


def left_behind(guest: RunningInstance) -> InstanceSpec:
    """Return what is known of a guest whose instance is gone."""
    return InstanceSpec(uuid=guest.uuid, name=guest.name, hypervisor="")
