"""How a failed command tells why, and the status it exits with."""

from __future__ import annotations

from typing import Any

from ganeti_core import errors
from ganeti_core.luxi.client import (
    LuxiTimeout,
    MasterAccessError,
    NoMasterError,
)

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_CONFIRMATION = 13
EXIT_UNKNOWN_FIELD = 14


class CommandError(errors.GanetiError):
    """The command itself refuses; the message is printed as it is."""

    def __init__(self, message: str, status: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.status = status


class JobSubmitted(errors.GanetiError):
    """``--submit``: the job runs on its own, there is nothing to wait for."""

    exit_status = 0

    def __init__(self, job_id: int) -> None:
        super().__init__(f"JobID: {job_id}")


def wrong_input(message: str) -> errors.OpPrereqError:
    """Make the error for a mistake that the command finds before it asks the master."""
    return errors.OpPrereqError(message, errors.ECODE_INVAL)


def exit_status(error: errors.GanetiError) -> int:
    return error.status if isinstance(error, CommandError) else error.exit_status


def describe(error: BaseException) -> str:
    """Give the text that people see for `error`."""
    first = str(error.args[0]) if error.args else ""
    match error:
        case CommandError() | JobSubmitted() | errors.JobCanceled():
            return first
        case errors.OpPrereqError():
            return _prerequisites(first, error.args)
        case errors.ScriptsAbort():
            return "Failure: hooks execution failed:\n" + _script_results(error.args)
        case errors.ParameterError():
            return f"Failure: unknown/wrong parameter name '{first}'"
        case errors.GanetiError(wire_name="QueryFilterParseError"):
            return f"Error while parsing query filter: {chr(10).join(map(str, error.args))}"
        case errors.JobQueueDrained():
            return ("Failure: the job queue is marked for drain and doesn't accept new requests\n"
                    "(gnt-cluster queue undrain opens it again; gnt-cluster upgrade --check says "
                    "whether an upgrade has drained it)")
        case errors.RequestError():
            return f"Unhandled protocol error while talking to the master daemon:\n{first}"
        case _:
            return _introduced(error, first) or _describe_connection(error, first)


_INTRODUCTIONS: tuple[tuple[type[errors.GanetiError], str], ...] = (
    (errors.OpExecError, "Failure: command execution error:\n"),
    (errors.ValueRejected, "Parameter Error: "),
    (errors.TagError, "Failure: invalid tag(s) given:\n"),
    (errors.JobLost, "Error checking job status: "),
)


def _introduced(error: BaseException, first: str) -> str:
    return next((words + first for cls, words in _INTRODUCTIONS if isinstance(error, cls)), "")


def _describe_connection(error: BaseException, first: str) -> str:
    match error:
        case MasterAccessError():
            return ("It seems you don't have permissions to connect to the master daemon.\n"
                    f"Please retry as a different user (socket {first}).")
        case NoMasterError():
            return ("Cannot communicate with the master daemon.\n"
                    "Is it running and listening for connections? It runs on the master node "
                    f"only\n(socket {first}) and is started with 'ganeti-masterd'.")
        case LuxiTimeout():
            return ("Timeout while talking to the master daemon. Jobs might have been submitted "
                    "and will continue to run even if the call timed out. Useful commands in "
                    'this situation are "gnt-job list", "gnt-job cancel" and "gnt-job watch". '
                    f"Error:\n{first}")
        case errors.NotInCluster() | errors.StoreBroken() | errors.MasterBusy():
            # The configuration is whole: the text says what is the matter.
            return f"Failure: {first}"
        case errors.ConfigurationError():
            return f"Corrupt configuration file: {first}\nAborting."
        case errors.GanetiError():
            return f"Unhandled Ganeti error: {first}"
        case _:
            return f"Unhandled exception: {error!r}"


def _prerequisites(first: str, args: tuple[Any, ...]) -> str:
    head = "Failure: prerequisites not met for this operation:\n"
    if len(args) > 1 and args[1]:
        return f"{head}error type: {args[1]}, error details:\n{first}"
    return head + first


def _script_results(args: tuple[Any, ...]) -> str:
    """Tell per script what it printed; anything else the error carries is shown as it is."""
    match args:
        case [[*results]]:
            lines = []
            for result in results:
                match result:
                    case [node, script, output]:
                        lines.append(f"  node: {node}, script: {script}, "
                                     + (f"output: {output}" if output else "no output"))
                    case _:
                        lines.append(f"  {result}")
            return "\n".join(lines)
        case _:
            return "\n".join(str(argument) for argument in args)
