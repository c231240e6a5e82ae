"""The one tree of exceptions, with the names and codes that they have on the wire.

LUXI sends an error as ``[class name, [arguments]]``; class names and error codes (`ECODE_*`) are
Ganeti's, so existing clients recognise them. Node RPC has a richer envelope (`rpc/wire.py`) that
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

ACTIONS = {
    ECODE_RESOLVER: "Let the name resolve: DNS, or the hosts file of the master.",
    ECODE_NORES: "Make room (memory, disk space, addresses), or ask for less.",
    ECODE_TEMP_NORES: "Try again: other jobs hold the resources now.",
    ECODE_INVAL: "Correct the value that the message names.",
    ECODE_STATE: "Bring the object into the state that the message asks for.",
    ECODE_NOENT: "Correct the name: there is no such object.",
    ECODE_EXISTS: "Choose another name, or change the object that has it.",
    ECODE_NOTUNIQUE: "Choose another value: somebody uses this one.",
    ECODE_FAULT: "Report it, with the log of the master.",
    ECODE_ENVIRON: "Mend the host or network that the message names.",
}
"""What an administrator does about each, in the reference."""
ECODES = frozenset(ACTIONS)


class GanetiError(Exception):
    """Root of all errors that the project raises on purpose.

    `wire_name` is the class name in LUXI answers, `exit_status` what a command exits with,
    `action` what an administrator does about it, in the reference.
    """

    wire_name: ClassVar[str] = "GenericError"
    exit_status: ClassVar[int] = 1
    action: ClassVar[str] = ("Read the message; where it does not say enough, the log of the daemon"
                             " that it names.")
    by_wire_name: ClassVar[dict[str, type[GanetiError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The first class with a name owns it: subclasses without a name of their own travel as it.
        if "wire_name" in cls.__dict__ and cls.wire_name != GanetiError.wire_name:
            GanetiError.by_wire_name.setdefault(cls.wire_name, cls)

    @property
    def message(self) -> str:
        """The text for people: the first argument alone, for codes and data may follow it."""
        return str(self.args[0]) if self.args else ""

    def to_wire(self) -> Any:
        """Encode as ``[class name, [arguments]]``; arguments are strings and numbers."""
        return [self.wire_name, [a if isinstance(a, str | int) else str(a) for a in self.args]]

    @classmethod
    def from_wire(cls, data: object) -> GanetiError:
        """Decode what `to_wire` made; anything else becomes a `GanetiError` with its text."""
        match data:
            case [str(name), [*args]]:
                found = GanetiError.by_wire_name.get(name, GanetiError)
                if found is GanetiError and args == [JobQueueDrained.text]:
                    return JobQueueDrained()
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
    action = "Change what the message names and submit the job again: nothing was done."

    def __init__(self, message: str, ecode: str) -> None:
        super().__init__(message, ecode)

    def __str__(self) -> str:
        return self.message

    @property
    def ecode(self) -> str:
        return str(self.args[1]) if len(self.args) > 1 else ""


class OpExecError(GanetiError):
    """An operation failed after it had begun to act; it was undone or left a debt."""

    wire_name = "OpExecError"
    action = (
        "Read the job's log (`gnt-job info`), mend what the message names, look at "
        "`gnt-node list-debts` and submit the job again.")


class ScriptsAbort(GanetiError):
    """A ``pre`` script of the administrator refused the operation.

    Its one argument is a list of ``[node, script, output]``, of every script that failed.
    """

    wire_name = "HooksAbort"
    action = (
        "Read what the script printed; it is one of the administrator's own, below "
        "`/etc/ganeti/hooks`.")

    def to_wire(self) -> Any:
        return [self.wire_name, list(self.args)]


class ConfigurationError(GanetiError):
    """The config store refused a change, or cannot be read."""

    wire_name = "ConfigurationError"
    action = (
        "Look at the file or value that the message names; if the master's copy is "
        "damaged, take another node's with `gnt-cluster master-failover`.")


class NotInCluster(ConfigurationError):
    """This host is no node of any cluster."""

    action = "Make the host a node (`gnt-node add`) or run the command on a node."


class StoreBroken(ConfigurationError):
    """The database failed (full disk, I/O error, damage): nothing further is accepted."""

    wire_name = "StoreBroken"
    action = (
        "Mend the disk (space, hardware) that holds the database and start the master "
        "again, or let another node take over: `gnt-cluster master-failover`.")


class LockError(GanetiError):
    """A lock request that can never be granted, or a change without its lock."""

    wire_name = "LockError"
    action = (
        "Report it: an operation asked for locks in a wrong order, or changed what it "
        "had not locked.")


class ParameterError(GanetiError):
    """A query names a field or uses an operator that does not exist."""

    wire_name = "ParameterError"
    action = "See `list-fields` of the same program for the fields that there are."


class RequestError(GanetiError):
    """A request that could not be understood; travels as a plain string, as Ganeti sends it."""

    action = (
        "Correct the request; a client of another version may send what this one does "
        "not know.")

    def to_wire(self) -> Any:
        return str(self)


class ValueRejected(GanetiError):
    """A parameter is unknown, or its value does not fit its type."""

    wire_name = "TypeEnforcementError"
    action = "Correct the name or the value of the parameter; the reference of parameters has both."


class TagError(GanetiError):
    """A tag that cannot be one, or one too many."""

    wire_name = "TagError"
    action = "Use at most 128 letters, digits and characters of `.+*/:@-_` in a tag."


class JobQueueError(GanetiError):
    """The job queue refused; see the subclasses."""

    wire_name = "JobQueueError"
    action = "See the errors derived from it."


class JobQueueDrained(JobQueueError):
    """The administrator closed the queue; Ganeti sends this as a generic error."""

    wire_name = "GenericError"
    action = "Open the queue: `gnt-cluster queue undrain`."
    text = "Queue drained"

    def __init__(self) -> None:
        super().__init__(self.text)


class MasterBusy(GanetiError):
    """The master has as many clients as it can serve: the request was not begun."""

    wire_name = "MasterBusyError"
    action = "Try again in a moment; many waiting clients can share one connection."


class JobLost(GanetiError):
    """The job does not exist (any more)."""

    wire_name = "JobLost"
    action = "Archived jobs are not shown any more; `gnt-job list` shows those that are."


class JobCanceled(GanetiError):
    """Raised inside an operation whose job was asked to stop."""

    wire_name = "JobCanceled"
    action = "Nothing, if that was intended; the reason stands in `gnt-job info`."


class HypervisorError(GanetiError):
    """A hypervisor could not do what was asked."""

    wire_name = "HypervisorError"
    action = (
        "See the hypervisor's log of the guest on its node, and correct the hypervisor "
        "parameter that the message names.")


class BlockDeviceError(GanetiError):
    """A disk could not be created, opened, grown or removed."""

    wire_name = "BlockDeviceError"
    action = "Look at the storage of the node that the message names: space, devices, permissions."


class OsScriptError(OpExecError):
    """A script of an OS definition failed; the message ends with the tail of its log."""

    action = (
        "Correct the OS definition or its parameters by the end of its log, which the "
        "message shows.")


class NotSupported(OpPrereqError):
    """The plugin lacks an optional capability or hook."""

    action = "Use a driver that has the capability; `gnt-plugin info` shows what each can do."

    def __init__(self, message: str, ecode: str = ECODE_INVAL) -> None:
        super().__init__(message, ecode)


class NotMaster(OpPrereqError):
    """Only the master node can do this, and this one is not it."""

    action = "Ask on the master node: `gnt-cluster getmaster` names it."

    def __init__(self, message: str) -> None:
        super().__init__(message, ECODE_STATE)


class PluginError(OpExecError):
    """A plugin failed in a way its contract does not name: it raised, hung or died.

    The message names kind, plugin and hook, so that the administrator knows whom to ask.
    """

    action = (
        "Ask the author of the plugin that is named; its traceback is in the log of the"
        " node daemon.")

    @classmethod
    def in_hook(cls, where: str, problem: str) -> Self:
        """Build the error for the hook `where` (``kind name: hook``)."""
        return cls(f"plugin {where}: {problem}")


class PluginRejected(GanetiError):
    """A plugin was found but does not keep its contract; it is listed, not used."""

    wire_name = "PluginRejected"
    action = "See `gnt-plugin list` for the reason and install a version that keeps the contract."


class RpcError(OpExecError):
    """A node could not be asked."""

    wire_name = "RPCError"
    action = (
        "See whether the node runs and its node daemon serves; `gnt-cluster verify` "
        "asks all nodes.")


class NodeUnreachable(RpcError):
    """The call was never delivered: nothing happened on the node."""

    action = (
        "Bring the node back, or mark it: `gnt-node modify --offline=yes`; then submit "
        "the job again.")


class OutcomeUnknown(RpcError):
    """The call was delivered and the answer lost: the node must be asked what happened."""

    action = (
        "Wait until the node can be asked: what it may have left is a debt (`gnt-node "
        "list-debts`).")


class StaleEpoch(RpcError):
    """The node has seen a newer master; this one must stop acting."""

    action = "Send requests to the new master: `gnt-cluster getmaster`."


class AccessDenied(GanetiError):
    """The caller may not do this."""

    wire_name = "PermissionError"
    action = "Use an account that may do this, or a certificate that is in the list of members."
