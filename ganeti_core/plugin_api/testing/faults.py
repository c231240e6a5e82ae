"""Make hooks fail on order, to try what the core does when a node, a disk or a guest lets it down.

A control file, JSON, tells which hooks fail and how; it is read at every call, so a test changes it
while daemons run, and a count is kept in it across processes::

    {"start": {"mode": "fail", "times": 1, "instance": "inst1.example.com"},
     "stop": [{"mode": "slow", "seconds": 2}]}

- ``mode``: ``fail`` raises the kind's error, ``block`` waits until the process is killed (or the
  rule is gone from the file), ``die`` kills its own process with SIGKILL, ``slow`` waits
  ``seconds``, ``skip`` answers None without acting (only a `steerable` driver can).
- ``when``: ``before`` or ``after`` acting. ``slow`` is ``after`` where nothing is said, so that a
  call's deadline passes though it succeeded; the others are ``before``.
- ``times``: how often the rule applies; without it, always. It is counted down in the file, where
  a test can watch it: at 0 the rule has struck as often as it was told to.
- ``instance``: applies only to calls about this instance (its name), or this disk (its uuid).
- ``message``: the error's text.

`steerable` builds this into a fake driver; `FaultInjection` puts it around any real one.
"""

from __future__ import annotations

import fcntl
import functools
import inspect
import json
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

from ganeti_core.errors import BlockDeviceError, GanetiError, HypervisorError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.kinds import Kind, hookimpl

F = TypeVar("F", bound=Callable[..., Any])

ERRORS: Mapping[str, type[GanetiError]] = {
    "hypervisors": HypervisorError,
    "disk_templates": BlockDeviceError,
    "extstorage": BlockDeviceError,
}
POLL = 0.01
"""Seconds between two looks at the control file while a hook is blocked."""


@dataclass(frozen=True)
class Fault:
    """One failure that is due now."""

    mode: Literal["fail", "block", "die", "slow", "skip"]
    when: Literal["before", "after"]
    seconds: float
    message: str


def write_faults(control: Path, rules: Mapping[str, Any]) -> None:
    """Replace the rules of a control file, whole; an empty mapping ends all of them."""
    control.parent.mkdir(parents=True, exist_ok=True)
    draft = control.with_name(f".{control.name}.{os.getpid()}")
    draft.write_text(json.dumps(rules))
    draft.replace(control)


def take_fault(control: Path, hook: str, subjects: frozenset[str]) -> Fault | None:
    """Take the fault that is due for a call of `hook` about `subjects`, and count it.

    :raises OpExecError: the control file cannot be understood
    """
    with _locked(control) as file:
        if file is None:
            return None
        rules = _parse(control, file)
        for rule in _rules_of(rules, hook):
            if rule.get("times", 1) > 0 and rule.get("instance") in (None, *subjects):
                fault = _fault(control, hook, rule)
                if "times" in rule:
                    write_faults(control, _counted_down(rules, hook, rule))
                return fault
        return None


@contextmanager
def _locked(control: Path) -> Iterator[BinaryIO | None]:
    """Open the control file locked, None when there is none."""
    while True:
        try:
            file = control.open("rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                current = os.stat(control).st_ino
            except FileNotFoundError:
                current = -1
            # Who waited for the lock may hold a file that was replaced meanwhile.
            if current == os.fstat(file.fileno()).st_ino:
                yield file
                return


def _parse(control: Path, file: BinaryIO) -> dict[str, Any]:
    try:
        rules = json.loads(file.read() or b"{}")
    except ValueError as exc:
        raise OpExecError(f"{control}: {exc}") from exc
    if not isinstance(rules, dict):
        raise OpExecError(f"{control}: an object with a rule per hook was expected")
    return rules


def _rules_of(rules: Mapping[str, Any], hook: str) -> list[dict[str, Any]]:
    found = rules.get(hook, [])
    return found if isinstance(found, list) else [found]


def _counted_down(
    rules: Mapping[str, Any], hook: str, used: Mapping[str, Any]
) -> dict[str, Any]:
    return {**rules, hook: [rule | {"times": rule["times"] - 1} if rule is used else rule
                            for rule in _rules_of(rules, hook)]}


def _fault(control: Path, hook: str, rule: Mapping[str, Any]) -> Fault:
    mode = rule.get("mode")
    if mode not in ("fail", "block", "die", "slow", "skip"):
        raise OpExecError(f"{control}: {hook}: unknown mode {mode!r}")
    return Fault(
        mode, rule.get("when", "after" if mode == "slow" else "before"),
        float(rule.get("seconds", 1.0)), str(rule.get("message", f"{hook} fails on order")))


@contextmanager
def fault_around(
    control: Path, hook: str, subjects: frozenset[str], error: type[GanetiError]
) -> Iterator[bool]:
    """Do what the control file orders around the body; yields False when the body must not act."""
    fault = take_fault(control, hook, subjects)
    if fault is None:
        yield True
        return
    strike = functools.partial(_strike, fault, error, control, hook)
    if fault.when == "before":
        strike()
    yield fault.mode != "skip"
    if fault.when == "after":
        strike()


def _strike(fault: Fault, error: type[GanetiError], control: Path, hook: str) -> None:
    match fault.mode:
        case "fail":
            raise error(fault.message)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "slow":
            time.sleep(fault.seconds)
        case "block":
            while _is_ordered(control, hook, "block"):
                time.sleep(POLL)
        case "skip":
            pass


def _is_ordered(control: Path, hook: str, mode: str) -> bool:
    with _locked(control) as file:
        rules = _parse(control, file) if file is not None else {}
        return any(rule.get("mode") == mode for rule in _rules_of(rules, hook))


def subjects_of(arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return what a call is about: names of instances, uuids and instances of disks."""
    found = {arguments.get("name")}
    for argument in arguments.values():
        found |= {getattr(argument, attribute, None) for attribute in ("name", "uuid", "instance")}
    return frozenset(item for item in found if isinstance(item, str) and item)


def steerable(file_name: str, error: type[GanetiError]) -> Callable[[F], F]:
    """Let a driver's hook obey the control file `file_name` in the node's ``etc/ganeti``."""

    def decorate(hook: F) -> F:
        names = tuple(inspect.signature(hook).parameters)

        @functools.wraps(hook)
        def obeying(*values: Any, **named: Any) -> Any:
            arguments = dict(zip(names, values, strict=False)) | named
            control = Paths(arguments["ctx"].root).etc / file_name
            with fault_around(control, hook.__name__, subjects_of(arguments), error) as act:
                return hook(*values, **named) if act else None

        return cast("F", obeying)

    return decorate


class FaultInjection:
    """A wrapper plugin that makes the hooks of any driver of one kind fail on order.

    It wraps every hook that runs on a node. The control file is ``KIND-faults.json`` in the node's
    ``etc/ganeti``, or `control`.
    """

    def __init__(self, kind: Kind[Any], control: Path | None = None) -> None:
        error = ERRORS.get(kind.name, OpExecError)
        for name, hook in kind.hooks().items():
            if "ctx" in inspect.signature(hook).parameters:
                wrapper = _wrapper(name, hook, control or Path(f"{kind.name}-faults.json"), error)
                setattr(self, name, hookimpl(wrapper=True)(wrapper))


def _wrapper(
    name: str, hook: Callable[..., Any], control: Path, error: type[GanetiError]
) -> Callable[..., Any]:
    names = [parameter for parameter in inspect.signature(hook).parameters if parameter != "self"]

    # pluggy passes arguments by position, in the order of the signature, which it unwraps to find.
    @functools.wraps(hook)
    def wrapper(*values: Any) -> Generator[None, Any, Any]:
        arguments = dict(zip(names, values, strict=True))
        context: HookContext = arguments["ctx"]
        # An absolute `control` stays as it is.
        path = Paths(context.root).etc / control
        with fault_around(path, name, subjects_of(arguments), error) as act:
            if not act:
                raise OpExecError(f"{path}: {name}: a wrapper cannot keep the driver from acting")
            return (yield)

    return wrapper
