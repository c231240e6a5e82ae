"""The contract of disk templates: where an instance's disks come from."""

from __future__ import annotations

from collections.abc import Callable

from .context import HookContext
from .data import (
    Description,
    DiskRequest,
    DiskSpec,
    DiskStatus,
    JsonDict,
    NodeRef,
    OpenDisk,
    StorageSpace,
    StorageUnit,
    Volume,
)
from .disk_steps import ChildSteps, DiskStep, Verb, plain_steps
from .disk_streams import plain_receive, plain_send, plain_wipe
from .kinds import LISTED, STREAM_SECONDS, Kind, hookspec, where
from .node_findings import Agreement, NodeProblem
from .stream_ends import Offer

PlanChild = Callable[[str, DiskRequest], DiskSpec]
"""Plan a device of another template on the same nodes: the template's name, what is asked of it."""

SHARED = "shared"
"""Every node sees the same data: an instance can move without copying its disks."""
MIRRORED = "mirrored"
"""The other nodes of an instance hold copies that follow; one of them can be promoted."""
GROWABLE = "growable"
SNAPSHOTS = "snapshots"
NO_DISKS = "no_disks"
"""Instances of this template have no disks at all."""
LOCAL_SPACE = "local_space"
"""Disks take room in a storage of the node: free space is checked before creation."""
UNLISTED = "unlisted"
"""The storage cannot list its devices: `devices` is empty, orphans cannot be found."""
ADOPTION = "adoption"
"""A disk can be made of something that is there already, with its data."""
ADOPTED_ONLY = "adopted_only"
"""Disks are made in no other way, with `ADOPTION`: `create` makes nothing, and `remove` leaves the
device with its data to whoever provided it."""
WRAPS = "wraps"
"""A disk can be made around a device that is there already, and be taken away from around it."""
EXCLUSIVE_STORAGE = "exclusive_storage"
"""Each disk can have spindles for itself, as nodes with ``exclusive_storage`` set want it."""

PLANNING = 10.0
"""Seconds for a hook that only computes, on the master."""


class DiskTemplateSpec:
    """What the core may ask of a disk template.

    On the master it plans, within 10 seconds and without I/O; what a third party provides does so
    in a process beside the master, and there may be several of these. On a node each hook acts on
    the one device it is given, as that node sees it: `DiskSpec.role`, `peers`, `children`. Errors
    are `BlockDeviceError`. A driver that lies on another template's devices asks for those by
    ``ctx.driver("disk_templates", ...)``.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the template: parameters (`diskparams`) as JSON Schema, capabilities.

        Capabilities known to the core: ``shared``, ``mirrored``, ``growable``, ``snapshots``,
        ``no_disks``, ``local_space``, ``unlisted``, ``exclusive_storage``, ``adoption``,
        ``adopted_only``, ``wraps``.
        `Description.nodes` says how many nodes hold a disk, `Description.pools` what the core draws
        for it: ``minor``, ``port``, ``secret``; `Description.settings` which settings of the
        cluster it uses.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def layout(  # a driver takes only those that it names
        self, request: DiskRequest, nodes: tuple[NodeRef, ...], granted: JsonDict,
        settings: JsonDict, plan_child: PlanChild,
    ) -> DiskSpec:
        """Plan one disk, purely: no I/O.

        :param nodes: the instance's primary node, then its secondaries
        :param granted: what the core drew from the declared pools; it keeps it for the disk
        :param settings: the cluster's settings, as in `HookContext.config`
        :param plan_child: plans a device of another template on the same nodes; it becomes the next
            of this disk's children
        :raises OpPrereqError: the request's options make no sense
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def steps(
        self, verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
        child_steps: ChildSteps,
    ) -> list[DiskStep]:
        """Plan what a verb does, purely; see `disk_steps` for the verbs and their arguments.

        A template without this hook gets the plain order, `plain_steps`; one with it can use that
        for the verbs in which it is not special.

        :param nodes: those to act on; not always all that hold the disk
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def storage_of(self, disk: DiskSpec) -> str:
        """Name the storage, as `space` does, in which the device lies; purely.

        Listings, allocators and checks look at the space of this storage, and what running jobs
        have set aside is counted there. Empty, the default, is for a template that has one storage
        a node.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        """Return how large each storage of this template on this node is, and what is free there.

        The first one counts where no storage is named.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verify(self, ctx: HookContext) -> list[str | NodeProblem]:
        """Return what is wrong with this node for this template; empty when it can hold disks.

        `NodeProblem` where ``gnt-cluster verify`` is to report it under a code of its own.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def agreements(self, ctx: HookContext) -> list[Agreement]:
        """Return what has to be the same on all nodes of a group, as it is on this one."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def devices(self, ctx: HookContext) -> list[str]:
        """List identities (`identity`) of all devices of this template found on this node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def identity(self, disk: DiskSpec) -> str:
        """Name a device as `devices` does, to find orphans; unique on a node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Make the device. One that exists with this identity is left as it is.

        :raises BlockDeviceError: nothing of it is left on this node
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Remove the device and its data; a missing one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        """Make the device usable and return how to reach it; an open one stays open.

        :param exclusive: False while two nodes use it, during a migration
        :raises BlockDeviceError: it cannot be used here
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Stop using the device on this node, its data stay; a closed one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        """Return how the device is, as this node sees it."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        """Make the device `size` MiB large; one that is as large or larger is left alone.

        :raises BlockDeviceError: its size is as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def renamed(self, disk: DiskSpec, instance_name: str) -> DiskSpec:
        """Return the device as it is identified when its instance has another name.

        Needed only where an instance's name is part of what identifies a device, such as a folder;
        then `rename` must be there, too. Pure: no I/O.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def rename(self, ctx: HookContext, disk: DiskSpec, to: DiskSpec) -> None:
        """Let the closed device `disk` be identified as `to` from now on; its data stay.

        One that is identified so already is left alone, and a missing one is no error. The way
        back is `rename` again.

        :raises BlockDeviceError: it is identified as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def send_data(self, ctx: HookContext, disk: DiskSpec, offer: Offer) -> int:
        """Send the data of the open device to `offer`, with `transfer.send`; return their bytes.

        `disk.path` may be that of a snapshot. By default the device is read from its beginning to
        its end, which may lie behind `disk.size`.

        :raises BlockDeviceError: it cannot be read
        :raises StreamFailed: it did not arrive
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def receive_data(self, ctx: HookContext, disk: DiskSpec, offer: Offer) -> int:
        """Write what `offer` gives onto the open device, with `transfer.receive`; return its bytes.

        The stream is one of `send_data`, of any template. What is behind its end stays.

        :raises BlockDeviceError: it cannot be written, or the stream is larger than the device
        :raises StreamFailed: it did not arrive whole
        """
        raise NotImplementedError


    @hookspec(firstresult=True)
    @where(changes=True, timeout=STREAM_SECONDS)
    def wipe(self, ctx: HookContext, disk: DiskSpec, start: int) -> None:
        """Overwrite what the open device held before, from `start` (MiB) to its end, with zeros.

        It is called for new devices and for what one has grown, where the cluster's
        ``prealloc_wipe_disks`` says so, and before a guest gets them. By default zeros are written
        to `disk.path`; holes of a file stay holes. A template whose new devices hold nothing of
        others' may do nothing here.

        :raises BlockDeviceError: something may be left of it
        """
        raise NotImplementedError


    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def volumes(self, ctx: HookContext) -> list[Volume]:
        """List all volumes in the storages of this template on this node, those of others too."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=LISTED)
    def storage_units(self, ctx: HookContext, storage_type: str) -> list[StorageUnit]:
        """List the parts of this node's storage that are of one type.

        A template without this hook has one type, and its units are what `space` returns.

        :param storage_type: one of `Description.storage_types`
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def modify_storage(
        self, ctx: HookContext, storage_type: str, name: str, changes: JsonDict
    ) -> None:
        """Change a storage unit of this node, such as whether room may be taken from it.

        :param storage_type: one of `Description.storage_types`, or the template's name
        :param name: as the unit is called here
        :param changes: what is to be, by name: ``allocatable`` is a truth value
        :raises OpPrereqError: there is no such unit, or this cannot be changed (`ECODE_INVAL`)
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=600.0)
    def repair_storage(self, ctx: HookContext, storage_type: str, name: str) -> None:
        """Make a storage of this node consistent again that has lost a part.

        :param storage_type: one of `Description.storage_types`, or the template's name
        :raises OpPrereqError: there is no such storage (`ECODE_INVAL`)
        :raises BlockDeviceError: it is as before
        """
        raise NotImplementedError


class MirrorSpec:
    """Which of the nodes that hold copies of a disk writes to it."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def promote(self, ctx: HookContext, disk: DiskSpec, force: bool) -> OpenDisk:
        """Let this node write, and return how to reach the device.

        :param force: even if a peer may have newer data
        :raises BlockDeviceError: the copy here is old or incomplete; nothing has changed
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def demote(self, ctx: HookContext, disk: DiskSpec) -> None:
        """End writing here; what a peer writes goes on being received. Twice is harmless."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def renew(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Make the copy on this node anew; it is filled from the other node's from then on.

        The node may write to the disk meanwhile: what it reads comes from there. Twice is
        harmless, and a copy that is lost or was never made is made.

        :raises BlockDeviceError: the copy there is not whole or not within reach, or nobody can
            know that it is, and the one here is as before; or a new one cannot be made, and only
            the other node has the disk
        """
        raise NotImplementedError


class SnapshotSpec:
    """Point-in-time copies of a device."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        """Make a read-only copy named `name`; return its path."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        """Remove the copy; a missing one is no error."""
        raise NotImplementedError


class WrapSpec:
    """Disks that can be made around a device, and be taken away from around it, without copying.

    That is how an instance's disks change their template and stay where they are.
    """

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def around(self, disk: DiskSpec, device: DiskSpec) -> int | None:
        """Say which of the disk's children the device could be, counted from 0; purely.

        None where it can be none of them, for its template is another one, say: the data are
        copied then.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def wrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Make what the disk has on this node besides the child that is there with its data.

        :raises BlockDeviceError: it cannot be made; the child is as it was
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def unwrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Remove what the disk has on this node besides that child. Twice is harmless.

        :raises BlockDeviceError: somebody uses the disk
        """
        raise NotImplementedError


class AdoptionSpec:
    """Disks that are made of something which is there already, with its data.

    What a disk is to adopt is in its parameter ``adopt``, which the template declares; it is there
    until the disk is made, and for `give_back`. A template without a hook ``steps`` has `adopt`
    called in place of ``create``.
    """

    @hookspec(firstresult=True)
    @where("master", timeout=PLANNING)
    def adopts(self, disk: DiskSpec) -> str:
        """Name what the disk is to adopt, as `identity` would name it if it were a disk; purely."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def adoptable(self, ctx: HookContext, disk: DiskSpec) -> int:
        """Check that what the disk is to adopt is there and unused; return its size, MiB.

        :raises OpPrereqError: it is not there or is no device for a disk (`ECODE_INVAL`), or
            somebody uses it (`ECODE_STATE`)
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def adopt(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Make it the device of the disk; one that is already is left as it is.

        :raises BlockDeviceError: it is as before
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def give_back(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Take `adopt` back: no data are lost. What was never adopted is left as it is."""
        raise NotImplementedError


def _one_storage() -> str:
    return ""


def _nothing_to_agree_on() -> list[Agreement]:
    return []


def _same(disk: DiskSpec) -> DiskSpec:
    return disk


DISK_TEMPLATES = Kind(
    "disk_templates", DiskTemplateSpec,
    extensions=((SNAPSHOTS, SnapshotSpec), (MIRRORED, MirrorSpec), (ADOPTION, AdoptionSpec),
                (WRAPS, WrapSpec)),
    optional=frozenset({"grow", "steps", "storage_of", "renamed", "rename", "send_data",
                        "receive_data", "wipe", "volumes", "storage_units", "modify_storage",
                        "repair_storage", "renew", "agreements"}),
    defaults=(("steps", plain_steps), ("storage_of", _one_storage), ("renamed", _same),
              ("send_data", plain_send), ("receive_data", plain_receive), ("wipe", plain_wipe),
              ("agreements", _nothing_to_agree_on)),
    capabilities=frozenset({
        SHARED, MIRRORED, GROWABLE, NO_DISKS, LOCAL_SPACE, UNLISTED, EXCLUSIVE_STORAGE,
        ADOPTED_ONLY}),
)
