"""What an operation is: what an opcode does on the master, in three steps that pass values.

``locks(op, snapshot)`` names the whole lock set, as data. ``plan(op, ctx)`` checks and chooses, and
changes nothing: a dry run ends here. ``run(op, ctx, plan)`` acts, recording the undo of each step
before it, and ends with one commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ganeti_core.config.expected import Expected
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_NOTUNIQUE,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.locking import BIG_LOCK, Level, LockRequest, Want
from ganeti_core.opcodes.base import OpCode
from ganeti_core.opcodes.subjects import CLUSTER, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.operations.scripts import Scripts

O = TypeVar("O", bound=OpCode)  # noqa: E741  # the opcode's type
P = TypeVar("P")

CLUSTER_SETTINGS = Want(Level.CLUSTER, "settings")
"""Held by who changes the cluster object: two changes would lose each other's values."""


class Operation(ABC, Generic[O, P]):
    """The behaviour of one opcode. Instances hold no state."""

    opcode: ClassVar[type[OpCode]]
    of_forthcoming: ClassVar[bool] = False
    """Whether the instance that it is about may be a forthcoming one, which is only reserved."""

    def locks(self, op: O, snapshot: Snapshot) -> LockRequest:
        """Name the locks that `plan` and `run` need.

        :raises OpPrereqError: the opcode names objects that do not exist
        """
        del snapshot
        return request(op)

    waits_before_locks: ClassVar[bool] = False
    """Whether `before_locks` is called at all."""

    def before_locks(self, op: O, ctx: OpContext) -> None:
        """Do what comes before the locks are asked for, while the job's state is ``waiting``.

        Runs in a worker thread, and must change nothing: after a restart it runs again.

        :raises OpPrereqError: the locks are not needed any more
        """
        del op, ctx

    @abstractmethod
    def plan(self, op: O, ctx: OpContext) -> P:
        """Check prerequisites and choose; changes nothing.

        :raises OpPrereqError: it cannot be done as things are
        """

    def needs(self, op: O, ctx: OpContext, plan: P) -> Iterable[Need]:
        """Return the drivers that `run` will call hooks of, and on which nodes.

        The engine refuses the operation before `run` where a node lacks one, or has one that does
        not fit (`operations.node_drivers`).
        """
        del op, ctx, plan
        return ()

    def dry_run_result(self, op: O, plan: P) -> Any:
        """The result when only `plan` was asked for."""
        del op, plan

    @abstractmethod
    def run(self, op: O, ctx: OpContext, plan: P) -> Any:
        """Do it; return the opcode's result.

        :raises GanetiError: it failed; the engine undoes what was recorded
        """

    def scripts(self, op: O, ctx: OpContext, plan: P) -> Scripts | None:
        """Which scripts of the administrator run around it, where, and what they are told.

        Asked twice: before `run`, and after it for the variables as they are then.
        """
        del op, ctx, plan
        return None

    def recover(self, op: O, ctx: OpContext) -> bool:
        """Decide after a failure or a crash before the pivot, from what the nodes say.

        True: the operation is complete after all (it has committed), so nothing is undone. False,
        the default: undo what was recorded.
        """
        del op, ctx
        return False

    def resume(self, op: O, ctx: OpContext) -> None:
        """Go on after a crash that came after the pivot, beyond the recorded forward calls."""
        del op, ctx


def check_real(operation: Operation[Any, Any], op: OpCode, snapshot: Snapshot) -> None:
    """Refuse what a forthcoming instance, which has neither disks nor a guest, cannot have done.

    :raises OpPrereqError: the opcode is about one (`ECODE_STATE`)
    """
    name = getattr(op, "instance_name", None)
    if operation.of_forthcoming or not isinstance(name, str):
        return
    instance = snapshot.find("instance", name)
    if instance is not None and instance.forthcoming:
        raise OpPrereqError(
            f"forthcoming instances not supported for this operation: {instance.name} is only "
            "reserved, and gnt-instance add --commit makes it", ECODE_STATE)


EXPECTED_UUIDS = {
    "instance_uuid": ("instance", "instance_name"), "node_uuid": ("node", "node_name"),
    **{f"{name}_uuid": ("node", name)
       for name in ("pnode", "snode", "target_node", "remote_node", "src_node")}}
"""Parameters with the uuid that a client expects of what another parameter names: its kind, and
that parameter."""


def check_uuids(op: OpCode, snapshot: Snapshot) -> None:
    """Refuse to act on another object that has got the name meanwhile, as Ganeti does.

    :raises OpPrereqError: a uuid that the opcode expects is not that of the named object
        (`ECODE_NOTUNIQUE`)
    """
    for parameter, (kind, named) in EXPECTED_UUIDS.items():
        expected, name = getattr(op, parameter, None), getattr(op, named, None)
        if expected is None or not isinstance(name, str):
            continue
        found = snapshot.find(kind, name)
        if found is not None and found.uuid != expected:
            raise OpPrereqError(
                f"The {kind}s UUID '{found.uuid}' does not match the expected UUID '{expected}' for"
                f" {kind} '{found.name}'. Maybe the {kind} changed since you submitted this job.",
                ECODE_NOTUNIQUE)


def expected_by(op: OpCode, snapshot: Snapshot) -> Expected | None:
    """Return the version of an object that an opcode is for; None where it names none.

    :raises OpPrereqError: in `snapshot` it is of another version (`ECODE_STATE`), or there is no
        such object (`ECODE_NOENT`), or the opcode acts on no single one (`ECODE_INVAL`)
    """
    if op.serial_no is None:
        return None
    subject = subject_of(op.to_dict())
    if subject is None:
        raise OpPrereqError(f"{op.op_id} acts on no single object that there is: it has no serial "
                            "number to compare with; leave serial_no out", ECODE_INVAL)
    kind, name = subject
    found = snapshot.cluster if kind == CLUSTER else snapshot.find(kind, name)
    if found is None:
        raise OpPrereqError(f"There is no {kind} '{name}'", ECODE_NOENT)
    expected = Expected(kind, found.uuid, found.name, op.serial_no)
    expected.check(snapshot)
    return expected


def request(op: OpCode, *wants: Want) -> LockRequest:
    """A lock request with the cluster lock that every opcode takes."""
    big = Want(Level.CLUSTER, BIG_LOCK, exclusive=op.big_lock)
    return LockRequest.of(big, *wants)
