"""What an operation is: what an opcode does on the master, in three steps that pass values.

``locks(op, snapshot)`` names the whole lock set, as data. ``plan(op, ctx)`` checks and chooses, and
changes nothing: a dry run ends here. ``run(op, ctx, plan)`` acts, recording the undo of each step
before it, and ends with one commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ganeti_core.locking import BIG_LOCK, Level, LockRequest, Want
from ganeti_core.opcodes.base import OpCode

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.scripts import Scripts

O = TypeVar("O", bound=OpCode)  # noqa: E741  # the opcode's type
P = TypeVar("P")


class Operation(ABC, Generic[O, P]):
    """The behaviour of one opcode. Instances hold no state."""

    opcode: ClassVar[type[OpCode]]

    def locks(self, op: O, snapshot: Snapshot) -> LockRequest:
        """Name the locks that `plan` and `run` need.

        :raises OpPrereqError: the opcode names objects that do not exist
        """
        del snapshot
        return request(op)

    @abstractmethod
    def plan(self, op: O, ctx: OpContext) -> P:
        """Check prerequisites and choose; changes nothing.

        :raises OpPrereqError: it cannot be done as things are
        """

    def dry_run_result(self, op: O, plan: P) -> Any:
        """The result when only `plan` was asked for."""
        del op, plan

    @abstractmethod
    def run(self, op: O, ctx: OpContext, plan: P) -> Any:
        """Do it; answers the opcode's result.

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


def request(op: OpCode, *wants: Want) -> LockRequest:
    """A lock request with the cluster lock that every opcode takes."""
    big = Want(Level.CLUSTER, BIG_LOCK, exclusive=op.big_lock)
    return LockRequest.of(big, *wants)
