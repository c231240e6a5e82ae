"""The contract of hypervisors: run instances on a node."""

from __future__ import annotations

from typing import Any

from .context import HookContext
from .data import (
    Console,
    Description,
    DiskSpec,
    HostFacts,
    InstanceSpec,
    MigrationOffer,
    MigrationStatus,
    MigrationTarget,
    MirrorStatus,
    NicSpec,
    NodeRef,
    PluggedDevice,
    RunningInstance,
)
from .kinds import LISTED, STREAM_SECONDS, Kind, hookspec, where
from .power import linux_power_cycle
from .usage import GuestUsage

LIVE_MIGRATION = "live_migration"
HOTPLUG = "hotplug"
BALLOON = "balloon"
QUIET = "quiet"
USAGE = "usage"
DISK_MIRROR = "disk_mirror"
DISK_RESIZE = "disk_resize"
NODE_NETWORKS = "node_networks"
"""Guests' network cards are attached to networks of the node, by network back ends."""
USER_NETWORKS = "user_networks"
"""Guests can have network cards that need no interface of the node (`network.USER_MODE`)."""
HELPER_GUESTS = "helper_guests"
"""A guest boots from its first disk and gets all the others as they are, so an image can be booted
with an instance's disks to work on them; see ``"x-helper"`` of `Description`."""
SIMULATED = "simulated"
"""Guests are only pretended: such a driver works on every host, and for trials."""


class HypervisorSpec:
    """What the core may ask of a hypervisor; node hooks run on the instance's own node.

    An instance is identified on a node by its name; its guest's files carry its uuid. Hooks get it
    as the configuration has it by now, while a guest runs with what it was started with. Of one
    whose instance is gone only name and uuid are known: `stop`, `info`, `migration_status` and
    `migration_abort` must do with these. All hooks may raise `HypervisorError`; where it is named
    below, the state that it guarantees is said.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the driver: instance parameters (`hvparams`) as JSON Schema, capabilities.

        Capabilities known to the core: ``live_migration``, ``hotplug``, ``balloon``, ``quiet``,
        ``usage``, ``disk_mirror``, ``disk_resize``, ``node_networks`` (network back ends attach
        the cards),
        ``user_networks`` (a card may have a back end of user-mode networking), ``helper_guests``
        (an image can be booted with an instance's disks; one that has shut itself down is listed
        as ``user-down``, whatever the instance's own parameters are), ``simulated`` (guests are
        only pretended).
        `Description.pools` says what the core draws for each instance: ``port``, a TCP port of the
        cluster (`InstanceSpec.network_port`).
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        """Check filled `hvparams` against this node: do the files exist, does the CPU allow it?

        :raises OpPrereqError: they cannot work here; names the parameter and the value
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verify(self, ctx: HookContext) -> list[str]:
        """Return what is wrong with this node for this hypervisor; empty when it can run guests."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def host_facts(self, ctx: HookContext) -> HostFacts:
        """Return memory and processors of the node; `measure_host` does where the kernel knows."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        """List the guests that run here, those included that a dead daemon left behind.

        Neither a receiver of a migration nor a copy that was sent away is a guest that runs.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        """Tell of one guest; None when it does not run here."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        """Boot `instance`, whose disks are open (`DiskSpec.path`). A running one is left alone, and
        one that is ``stuck`` is let go on.

        :raises HypervisorError: it did not start; nothing is left: no process, socket, tap device.
            Or it is still ``stuck``, as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        """End the guest: ask it to shut down, after `timeout` seconds (or at once, `force`) kill.

        Returns when no process of it is left. An instance that does not run is no error.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """Reset the running guest without ending its process (a *soft* reboot).

        :raises HypervisorError: it does not run
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        """Return how to reach the console of `instance` that runs on `node`; starts nothing."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def rename(self, ctx: HookContext, instance: InstanceSpec, to: InstanceSpec) -> None:
        """Let what is kept of an instance that does not run, such as logs, follow its new name.

        Needed only where something is kept under the name. What has followed is left alone, and
        what is missing is no error. The way back is `rename` again.

        :raises HypervisorError: all is as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where()
    def lasting_state(self, ctx: HookContext, instance: InstanceSpec) -> str:
        """Return what this node keeps of an instance that does not run, and that must be wherever
        it runs, such as variables of its firmware: a text of at most 1 MiB, empty for nothing.

        Needed, with `set_lasting_state`, only where something is kept. The core takes it along when
        the instance goes to another node while this one answers, and into its export. For the
        latter a running instance may be asked, too: return what is kept by then.

        :raises HypervisorError: it cannot be read
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def set_lasting_state(self, ctx: HookContext, instance: InstanceSpec, state: str) -> None:
        """Keep this of the instance here, in place of what is kept; empty: keep nothing.

        Also called with the empty text where the instance has left the node, and when it is
        removed.

        :raises HypervisorError: what was kept before is kept
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def recover(self, ctx: HookContext) -> list[str]:
        """Called when the node's daemon starts: find guests again, clean what dead ones left.

        Reads the state of all older `state_version`. Returns what it did, a line each.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def power_cycle(self, ctx: HookContext) -> str:
        """Reset this node hard, a moment after this has returned; return what will happen when.

        It is asked for when the node does not react as it should: end nothing in good order, and
        wait for nobody. Twice is harmless. A driver without this hook gets `linux_power_cycle`,
        which lets the kernel do it; one whose hypervisor is below the kernel may do better.

        :raises HypervisorError: it will not be reset
        """
        raise NotImplementedError


class MigrationSpec:
    """Live migration. The order of calls, by the master:

    `migration_offer` (source) → `migration_prepare` (target) → `migrate_out` (source) →
    `migration_status` (source, until it is not ``active``) → `migration_finish` on the
    target, then on the source. To give up: `migration_abort` (source), then both ends are asked
    (`migration_status`), then `migration_finish` with ``success=False`` on the target, and then on
    the source.

    **The guest runs on the target only by the master's order**, `migration_finish` with
    ``success=True``. Until then what the target has can be thrown away without loss, whatever
    became of the connection: the source keeps the guest and can run it again.
    """

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def migration_offer(self, ctx: HookContext, instance: InstanceSpec) -> MigrationOffer:
        """On the source, before anything moves: say what the guest is as it runs.

        Optional; changes nothing. What a guest runs with may differ from its configuration, and
        from what another node would make of that.

        :raises HypervisorError: it cannot be sent as it runs; says why and what to do
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef, offer: MigrationOffer
    ) -> MigrationTarget:
        """On the target `node`: start a receiver of what the source offers, and say where it
        listens. The offer is empty where the source's driver makes none.

        Refuse here what this node cannot run: nothing has moved, and the guest notices nothing.
        A receiver is not a running guest: `running` and `info` do not report it. Twice is
        harmless: a receiver left by an earlier try is replaced.

        :raises HypervisorError: nothing is left running here
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migrate_out(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget, live: bool
    ) -> None:
        """On the source: begin to send the guest; returns when the transfer has begun.

        :raises HypervisorError: it did not begin; the guest runs on here
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def migration_status(self, ctx: HookContext, instance: InstanceSpec) -> MigrationStatus:
        """Say how far the transfer is (on the source), and what this node has of the guest.

        Asked of either end, and of nodes that have nothing of it (state ``none``).

        :raises HypervisorError: there is something, but it does not say what
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migration_switch(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """On the source, while its status says `can_switch`: stop the guest here and hand it over,
        although not all of its memory is there yet; the rest is sent on demand.

        Optional. From then on the status is ``completed`` and ``sent``, and the guest needs both
        ends: the source must not run it any more once the target was ordered to, and its
        `migration_finish` with success waits until all was sent. Twice is harmless.

        :raises HypervisorError: the transfer goes on as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migration_reopen(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef
    ) -> MigrationTarget:
        """On the target `node`, whose status says `cut`: listen for the rest of the guest's memory
        again, and say where. Twice is harmless.

        Optional, with `migration_resume`.

        :raises HypervisorError: there is no half of the guest here, or it cannot listen
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migration_resume(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget
    ) -> None:
        """On the source, whose status says `cut`: go on to send what is missing to where the target
        listens; returns when that has begun. One that is not cut is left alone.

        :raises HypervisorError: it did not begin; both halves are as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migration_abort(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """On the source: stop the transfer, and wait until it has ended; the guest runs on here.

        Too late is no error: `migration_status` then says ``completed`` and ``sent``.

        :raises HypervisorError: the transfer does not end
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        """Tidy one end of a migration; twice is harmless.

        On the target after success: run the guest that has arrived. On the source after success:
        end the old process. On the target after failure: end the receiver, unless the guest runs
        in it. On the source after failure: let the guest run again, also one that was sent
        completely (the master has made sure that it does not run on the target); a guest that is
        gone is no error, since there is nothing to be kept.

        :raises HypervisorError: on the target after success: it has not arrived, and does not run
        """
        raise NotImplementedError


class HotplugSpec:
    """Change devices of a running guest. Each change may be made twice.

    `instance` is as it was before the change, `disk` is open. A change that fails leaves the
    guest's devices as they were, and raises `HypervisorError`.
    """

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def plug_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec
    ) -> PluggedDevice:
        """Give the disk to the guest and return what the guest has of it now.

        :raises HypervisorError: it does not run, or did not take the disk
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def unplug_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        """Take the disk from the guest; one that it does not have is no error.

        :raises HypervisorError: it does not run, or did not let the disk go
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def plug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        """Attach the card, give it to the guest, and return what the guest has of it now.

        :raises HypervisorError: it does not run, or did not take the card
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def unplug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> None:
        """Take the card from the guest and detach it; one that it does not have is no error.

        :raises HypervisorError: it does not run, or did not let the card go
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=90.0)
    def modify_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        """Let the card of this uuid be as `nic` says, and return what the guest has of it now.

        Where only the node's side changes, the guest should not notice.

        :raises HypervisorError: it does not run or has no such card, or the card is as before
        """
        raise NotImplementedError


class DiskResizeSpec:
    """Let a running guest see that a disk has grown."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def resize_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        """Let the guest have all of a disk of its own that has grown; twice is harmless.

        `DiskSpec.size` is its new size, MiB; what it lies on may be a little larger. It is not
        opened anew, so `disk` has no path: the guest has what it was started with, or was given.
        Nothing that the disk holds may change, whatever the sizes are. A driver without this hook
        says in `Description.lacking` how its guests come to see what has grown.

        :raises HypervisorError: it does not run, or does not see the new size yet; the disk is
            used as before
        """
        raise NotImplementedError


class BalloonSpec:
    """Change the memory of a running guest."""

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def set_memory(self, ctx: HookContext, instance: InstanceSpec, memory: int) -> None:
        """Let the guest have `memory` MiB, between its ``minmem`` and ``maxmem``, from now on.

        `running` and `info` then report this; it holds until the guest is started again. A guest
        may take its time to give memory back.

        :raises HypervisorError: it does not run, or its memory cannot be changed
        """
        raise NotImplementedError


class QuietSpec:
    """Let a running guest's disks stand still in good order, while they are copied."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def quiet(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """Let the guest write out what it has, and then nothing, until `resume_writes`.

        :raises HypervisorError: it does not run, or cannot; it writes as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def resume_writes(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """Let the guest write again. One that never stopped, or does not run, is no error.

        :raises HypervisorError: it still stands still
        """
        raise NotImplementedError


class UsageSpec:
    """Count what running guests use of their node."""

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        """Return what each guest has used that `running` lists; it is asked every few seconds.

        Counts begin at the latest when the guest is started on this node, and only grow until it
        ends. One that hangs must not hold up the others: leave out what it does not say.

        :raises HypervisorError: nothing can be said of any
        """
        raise NotImplementedError


class DiskMirrorSpec:
    """Let a running guest's disk become another device, without the guest's noticing.

    The order of calls, by the master: `mirror_disk` → `mirror_status`, until it is ``synced`` →
    its commit → `switch_disk`. To give up: `end_mirror`. **Once it is in sync, what the guest is
    told is written has been written to both**, so that either is whole whichever of them the
    master's commit names: whoever is killed, and whenever, `end_mirror` before the commit and
    `switch_disk` after it lose nothing.

    `disk` is what the guest has, `onto` another disk of at least its size; both are open.
    """

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def mirror_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        """Begin to copy the disk while the guest writes to it, all of it, zeros too. Returns when
        that has begun. Twice is harmless.

        :raises HypervisorError: it does not run, or `onto` cannot be used; nothing is copied
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def mirror_status(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> MirrorStatus:
        """Say how far the copy is, and which of the two the guest has.

        :raises HypervisorError: there is a guest, but it does not say
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def switch_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        """After the commit: let the guest have `onto` alone. Twice is harmless.

        Where the copy has broken off meanwhile, begin it anew and raise: the call is repeated. Of a
        guest that has ended before it was switched, complete `onto` from `disk` here, which has all
        that was written; one that has ended after that, leave alone, since `onto` is newer.

        :raises HypervisorError: it is not switched yet
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def end_mirror(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        """Instead of the commit: stop copying, and let go of `onto`. No copy, or no guest, is no
        error.

        :raises HypervisorError: `onto` is still in use, or the guest has it alone
        """
        raise NotImplementedError


def _no_offer() -> MigrationOffer:
    return MigrationOffer()


HYPERVISORS = Kind(
    "hypervisors", HypervisorSpec,
    extensions=((LIVE_MIGRATION, MigrationSpec), (HOTPLUG, HotplugSpec),
                (BALLOON, BalloonSpec), (QUIET, QuietSpec), (USAGE, UsageSpec),
                (DISK_MIRROR, DiskMirrorSpec), (DISK_RESIZE, DiskResizeSpec)),
    optional=frozenset({"rename", "power_cycle", "migration_offer", "migration_switch",
                        "migration_reopen", "migration_resume",
                        "lasting_state", "set_lasting_state"}),
    defaults=(("power_cycle", linux_power_cycle), ("migration_offer", _no_offer)),
    capabilities=frozenset({NODE_NETWORKS, USER_NETWORKS, HELPER_GUESTS, SIMULATED}),
)
