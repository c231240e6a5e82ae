"""The one tree of exceptions, with the names and codes that they have on the wire.

LUXI sends an error as ``[class name, [arguments]]``; class names and error codes (`ECODE_*`) are
the peer's, so existing clients recognise them. Node RPC has a richer envelope (`rpc/wire.py`) that
also starts from `GanetiError.to_wire`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

ECODE_RESOLVER = "resolver_error"
ECODE_NORES = "insufficient_resources"
ECODE_TEMP_NORES = "temp_insufficient_resources"
ECODE_INVAL = "wrong_input"
ECODE_STATE = "wrong_state"
ECODE_NOENT = "unknown_entity"
ECODE_EXISTS = "already_exists"
ECODE_NOTUNIQUE = "resource_not_unique"
ECODE_FAULT = "internal_error"
ECODE_ENVIRON = "environment_error"

ECODES = frozenset({
    ECODE_RESOLVER, ECODE_NORES, ECODE_TEMP_NORES, ECODE_INVAL, ECODE_STATE,
    ECODE_NOENT, ECODE_EXISTS, ECODE_NOTUNIQUE, ECODE_FAULT, ECODE_ENVIRON,
})


class GanetiError(Exception):
    """Root of all errors that the project raises on purpose.

    `wire_name` is the class name in LUXI answers, `exit_status` what a command exits with.
    """

    wire_name: ClassVar[str] = "GenericError"
    exit_status: ClassVar[int] = 1
    by_wire_name: ClassVar[dict[str, type[GanetiError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The first class with a name owns it: subclasses without a name of their own travel as it.
        if "wire_name" in cls.__dict__ and cls.wire_name != GanetiError.wire_name:
            GanetiError.by_wire_name.setdefault(cls.wire_name, cls)

    def to_wire(self) -> Any:
        """Encode as ``[class name, [arguments]]``; arguments are strings and numbers."""
        return [self.wire_name, [a if isinstance(a, str | int) else str(a) for a in self.args]]

    @classmethod
    def from_wire(cls, data: object) -> GanetiError:
        """Decode what `to_wire` made; anything else becomes a `GanetiError` with its text."""
        match data:
            case [str(name), [*args]]:
                found = GanetiError.by_wire_name.get(name, GanetiError)
                error = found.__new__(found)
                Exception.__init__(error, *args)
                return error
            case _:
                return GanetiError(str(data))


class OpPrereqError(GanetiError):
    """What was asked cannot be done as things are; nothing was changed.

    :param ecode: one of `ECODES`, the machine-readable reason
    """

    wire_name = "OpPrereqError"

    def __init__(self, message: str, ecode: str) -> None:
        super().__init__(message, ecode)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    @property
    def ecode(self) -> str:
        return str(self.args[1]) if len(self.args) > 1 else ""


class OpExecError(GanetiError):
    """An operation failed after it had begun to act; it was undone or left a debt."""

    wire_name = "OpExecError"


class ScriptsAbort(GanetiError):
    """A ``pre`` script of the administrator refused the operation.

    Its one argument is a list of ``[node, script, output]``, of every script that failed.
    """

    wire_name = "HooksAbort"

    def to_wire(self) -> Any:
        return [self.wire_name, list(self.args)]


class ConfigurationError(GanetiError):
    """The config store refused a change, or cannot be read."""

    wire_name = "ConfigurationError"


class NotInCluster(ConfigurationError):
    """This host is no node of any cluster."""


class StoreBroken(ConfigurationError):
    """The database failed (full disk, I/O error, damage): nothing further is accepted."""


class LockError(GanetiError):
    """A lock request that can never be granted, or a change without its lock."""

    wire_name = "LockError"


class ParameterError(GanetiError):
    """A query names a field or uses an operator that does not exist."""

    wire_name = "ParameterError"


class RequestError(GanetiError):
    """A request that could not be understood; travels as a plain string, as the peer sends it."""

    def to_wire(self) -> Any:
        return str(self)


class ValueRejected(GanetiError):
    """A parameter is unknown, or its value does not fit its type."""

    wire_name = "TypeEnforcementError"


class TagError(GanetiError):
    """A tag that cannot be one, or one too many."""

    wire_name = "TagError"


class JobQueueError(GanetiError):
    """The job queue refused; see the subclasses."""

    wire_name = "JobQueueError"


class JobQueueDrained(JobQueueError):
    """The administrator closed the queue; the peer sends this as a generic error."""

    wire_name = "GenericError"

    def __init__(self) -> None:
        super().__init__("Queue drained")


class JobLost(GanetiError):
    """The job does not exist (any more)."""

    wire_name = "JobLost"


class JobCanceled(GanetiError):
    """Raised inside an operation whose job was asked to stop."""

    wire_name = "JobCanceled"


class HypervisorError(GanetiError):
    """A hypervisor could not do what was asked."""

    wire_name = "HypervisorError"


class BlockDeviceError(GanetiError):
    """A disk could not be created, opened, grown or removed."""

    wire_name = "BlockDeviceError"


class OsScriptError(OpExecError):
    """A script of an OS definition failed; the message ends with the tail of its log."""


class NotSupported(OpPrereqError):
    """The plugin lacks an optional capability or hook."""

    def __init__(self, message: str, ecode: str = ECODE_INVAL) -> None:
        super().__init__(message, ecode)


class PluginError(OpExecError):
    """A plugin failed in a way its contract does not name: it raised, hung or died.

    The message names kind, plugin and hook, so that the administrator knows whom to ask.
    """

    @classmethod
    def in_hook(cls, where: str, problem: str) -> Self:
        """Build the error for the hook `where` (``kind name: hook``)."""
        return cls(f"plugin {where}: {problem}")


class PluginRejected(GanetiError):
    """A plugin was found but does not keep its contract; it is listed, not used."""

    wire_name = "PluginRejected"


class RpcError(OpExecError):
    """A node could not be asked."""

    wire_name = "RPCError"


class NodeUnreachable(RpcError):
    """The call was never delivered: nothing happened on the node."""


class OutcomeUnknown(RpcError):
    """The call was delivered and the answer lost: the node must be asked what happened."""


class StaleEpoch(RpcError):
    """The node has seen a newer master; this one must stop acting."""


class AccessDenied(GanetiError):
    """The caller may not do this."""

    wire_name = "PermissionError"
