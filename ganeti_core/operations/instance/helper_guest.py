"""A helper guest: an image that is booted with an instance's disks, works, and shuts itself down.

It runs in the instance's place, under its name, so it and the instance's own guest exclude each
other, and what a crash leaves of it is ended by the call that ends the instance's guest. It has the
copy of the image as its first disk, the instance's after it, and no network cards: nobody must take
it for the instance.
"""

from __future__ import annotations

import time
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    NotSupported,
    OpExecError,
    OpPrereqError,
    RpcError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import new_uuid
from ganeti_core.plugin_api.data import DiskSpec
from ganeti_core.plugin_api.hypervisor import HELPER_GUESTS, HYPERVISORS
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec, RunningInstance
    from ganeti_core.rpc.calls import Call

STARTUP = 300.0
"""Seconds that a helper guest has to start, unless others are asked for."""
GRACE = 20.0
"""Seconds that one which must end has to clean up, such as a file that fills a file system."""
FIRST_POLL, POLL = 0.1, 2.0
SILENCE = 60.0
"""Seconds that a node may say nothing while the helper works: its daemon may be restarted."""


@dataclass(frozen=True)
class Helper:
    """What is to run.

    :param image: path on the node, or a URL
    :param purpose: for the job's log: ``Zeroing free disk space``
    :param work: seconds until it must have shut down
    :param startup: seconds that its start may take
    :param pack: fills the file (a path on the node) that is its last disk; None: it has none
    """

    image: str
    purpose: str
    work: float
    startup: float = STARTUP
    pack: Callable[[str], object] | None = None


@dataclass
class _Run:
    """One run of a helper guest, and when its node was last heard."""

    ctx: OpContext
    helper: Helper
    instance: Instance
    node: Node
    spec: InstanceSpec
    heard: float = field(default_factory=time.monotonic)

    def tell(self, what: str) -> None:
        self.ctx.feedback(f"{self.helper.purpose}: {what}")

    def failure(self, why: str) -> OpExecError:
        return OpExecError(f"{self.helper.purpose}: the helper guest with the image "
                           f"{self.helper.image} on node {self.node.name} {why}")

    def look(self) -> tuple[bool, RunningInstance | None]:
        """Whether the node answers, and what it has of the guest."""
        try:
            found = self.ctx.hook(self.node, HYPERVISORS, self.instance.hypervisor, "info",
                                  instance=self.spec)
        except RpcError as exc:
            if time.monotonic() - self.heard > SILENCE:
                raise self.failure(f"cannot be looked at: {exc}") from exc
            return False, None
        self.heard = time.monotonic()
        return True, found


def check_helper(ctx: OpContext, instance: Instance, node: Node, image: str) -> None:
    """See that a helper guest can be had, before anything is done for it.

    :raises OpPrereqError: the instance's hypervisor cannot run helper guests (`ECODE_INVAL`), or
        the node has no such image (`ECODE_ENVIRON`)
    """
    if HELPER_GUESTS not in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        able = [name for name in ctx.host.names(HYPERVISORS)
                if HELPER_GUESTS in ctx.host.describe(HYPERVISORS, name).capabilities]
        raise OpPrereqError(
            f"Hypervisor {instance.hypervisor} of instance {instance.name} cannot boot an image "
            f"with the instance's disks (those that can are: {', '.join(able) or 'none'})",
            ECODE_INVAL)
    try:
        ctx.call(node, service_call("helper.check", {"image": image}))
    except NotSupported:
        pass  # of an earlier version: it says so when it copies the image
    except OpPrereqError as exc:
        raise OpPrereqError(f"Node {node.name}: {exc.message}", ECODE_ENVIRON) from exc


def run_helper(
    ctx: OpContext, helper: Helper, instance: Instance, node: Node, spec: InstanceSpec
) -> None:
    """Let a helper guest work on the open disks of `spec`, whose own guest does not run.

    Until it has ended, ending it and removing its image is the undo.

    :raises GanetiError: it did not start, broke down, or did not shut down in time
    """
    forget = _call("forget", instance)
    # Recorded, so without the OS's parameters, which may be secret.
    bare = replace(spec, osparams={}, secret_osparams=())
    stop = ctx.hook_call(HYPERVISORS, instance.hypervisor, "stop", subject=instance.uuid,
                         instance=bare, force=False, timeout=GRACE)
    undo = [ctx.saga.record(node.uuid, forget, f"remove the helper image of {instance.name}")]
    ctx.feedback(f"{helper.purpose}: copying the image {helper.image} on node {node.name}")
    made = ctx.call(node, _call("image", instance, image=helper.image))
    if helper.pack is not None:
        helper.pack(str(made["package"]))
    run = _Run(ctx, helper, instance, node,
               _as_helper(ctx, bare, made, packed=helper.pack is not None))
    undo.append(ctx.saga.record(node.uuid, stop, f"stop the helper guest of {instance.name}"))
    run.tell("starting the helper guest")
    ctx.call(node, ctx.hook_call(
        HYPERVISORS, instance.hypervisor, "start", subject=instance.uuid,
        call_timeout=helper.startup, instance=run.spec, paused=False))
    run.tell("waiting for the helper guest to finish")
    _await_end(run)
    # What is left of it, and its image, go before the instance's own guest may start again; the
    # calls that undo it must not be made any more then.
    ctx.call(node, stop)
    ctx.call(node, forget)
    ctx.saga.forget(undo)
    run.tell("the helper guest has finished")


def _call(service: str, instance: Instance, **args: Any) -> Call:
    return service_call(f"helper.{service}", {"instance": instance.uuid, **args},
                        subject=instance.uuid)


def _as_helper(
    ctx: OpContext, spec: InstanceSpec, made: dict[str, Any], *, packed: bool
) -> InstanceSpec:
    properties = ctx.host.describe(HYPERVISORS, spec.hypervisor).parameters.get("properties", {})
    own = {name: schema["x-helper"] for name, schema in properties.items() if "x-helper" in schema}
    image = DiskSpec(uuid=new_uuid(), index=0, template="", size=int(made["size"]),
                     path=str(made["path"]), instance=spec.name)
    package = DiskSpec(uuid=new_uuid(), index=len(spec.disks) + 1, template="", size=1, mode="ro",
                       path=str(made["package"]), instance=spec.name)
    return replace(
        spec, hvparams=spec.hvparams | own, nics=(),
        disks=(image, *(replace(disk, index=disk.index + 1) for disk in spec.disks),
               *((package,) if packed else ())))


def _await_end(run: _Run) -> None:
    deadline, pause = time.monotonic() + run.helper.work, FIRST_POLL
    while True:
        run.ctx.check_cancelled()
        answers, guest = run.look()
        if answers and (guest is None or not guest.runs):
            _check_end(run, guest)
            return
        if time.monotonic() > deadline:
            raise run.failure(f"has not shut down within {run.helper.work:.0f} seconds")
        time.sleep(pause)
        pause = min(2 * pause, POLL)


def _check_end(run: _Run, guest: RunningInstance | None) -> None:
    """:raises OpExecError: it has not shut itself down"""
    if guest is None:
        raise run.failure("is gone without having shut down")
    if guest.state != "user-down":
        raise run.failure(f"is {guest.state}: {guest.reason or 'it cannot go on'}")
