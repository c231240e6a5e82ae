"""The conformance of hypervisors: `HypervisorContract`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import HypervisorError, NotSupported, OpPrereqError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, InstanceSpec, NodeRef
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, HypervisorSpec
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
            hypervisor.stop(ctx=ctx, name=guest.name, force=True, timeout=0.0)

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
        told = hypervisor.info(ctx=ctx, name=instance.name)
        assert told is not None
        # Time passes between two looks at a running guest.
        assert replace(told, cpu_time=0.0) == replace(listed[0], cpu_time=0.0)

    def test_a_guest_can_be_started_paused(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=True)
        told = hypervisor.info(ctx=ctx, name=instance.name)
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
        hypervisor.stop(ctx=ctx, name=instance.name, force=force, timeout=self.stop_timeout)
        assert hypervisor.running(ctx=ctx) == []
        assert hypervisor.info(ctx=ctx, name=instance.name) is None

    def test_stopping_twice_is_harmless(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        for _ in range(2):
            hypervisor.stop(ctx=ctx, name=instance.name, force=True, timeout=0.0)

    def test_an_unknown_guest_is_nobody(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        assert hypervisor.info(ctx=ctx, name=instance.name) is None
        hypervisor.stop(ctx=ctx, name=instance.name, force=False, timeout=self.stop_timeout)
        with pytest.raises(HypervisorError):
            hypervisor.reboot(ctx=ctx, instance=instance)

    def test_a_rebooted_guest_still_runs(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        hypervisor.reboot(ctx=ctx, instance=instance)
        told = hypervisor.info(ctx=ctx, name=instance.name)
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
                  "vnc": console.host and console.port, "spice": console.host and console.port}
        assert needed[console.kind], f"a console of kind {console.kind} must say more"

    # Leftovers

    def test_start_and_stop_leave_nothing(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        def once(guest: InstanceSpec) -> None:
            hypervisor.start(ctx=ctx, instance=guest, paused=False)
            hypervisor.stop(ctx=ctx, name=guest.name, force=True, timeout=0.0)

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
            hypervisor.stop(ctx=ctx, name=instance.name, force=True, timeout=0.0)
            before.assert_unchanged()
        start()
        assert hypervisor.info(ctx=ctx, name=instance.name) is not None

    def test_a_killed_stop_can_be_finished(
        self, hypervisor: HypervisorSpec, ctx: HookContext, instance: InstanceSpec,
        other_instance: InstanceSpec, more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        hypervisor.start(ctx=ctx, instance=other_instance, paused=False)
        before = Footprint((ctx,), more_footprint)
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        stop = functools.partial(
            hypervisor.stop, ctx=ctx, name=instance.name, force=True, timeout=0.0)
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
        again.stop(ctx=ctx, name=instance.name, force=True, timeout=0.0)
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
                *(functools.partial(hypervisor.stop, ctx=ctx, name=name, force=True, timeout=0.0)
                  for name in names))
        assert hypervisor.running(ctx=ctx) == []

    # Changing a running guest's devices

    def test_nothing_can_be_plugged_into_a_guest_that_does_not_run(
        self, calls: Calls[Any], ctx: HookContext, instance: InstanceSpec
    ) -> None:
        nic = instance.nics[0] if instance.nics else None
        disk = instance.disks[0] if instance.disks else None
        refusal = HypervisorError if "hotplug" in calls.hooks else NotSupported
        with pytest.raises(refusal):
            calls.call("hotplug", {"ctx": ctx, "instance": instance, "action": "add",
                                   "disk": None if nic else disk, "nic": nic})
