"""Methods that submit a job of one opcode: the body's keys are its parameters.

What a resource sets itself (names in the path, flags of the query) cannot be set by the body, too.
"""

from __future__ import annotations

import json
import time
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import parameters
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.opcodes.subjects import subject_of
from ganeti_core.opcodes.unavailable import MARK, asked_in_vain, refusal
from ganeti_core.rapi.failures import HttpFailure, bad_request
from ganeti_core.rapi.keys import SOURCE, Key
from ganeti_core.rapi.preconditions import Precondition, asked_serial
from ganeti_core.rapi.request import Request, check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.rapi.request import Call

_INVALID = "Invalid body parameters"
USER_REASON = "gnt:user"


def request_body(request: Request) -> Any:
    """The plain source of parameters: the body, an object or nothing."""
    return request.body


def nothing(_request: Request) -> dict[str, Any]:
    """What a resource sets beside names and flags, where there is nothing."""
    return {}


@dataclass(frozen=True)
class Submit:
    """Submit one opcode.

    :param names: parameters whose values stand in the path, in the order of its placeholders
    :param flags: parameters that are flags of the query: ``(argument, parameter)``
    :param fixed: further parameters, made of the request
    :param body: gives the parameters that the client sends
    :param renamed: old names of parameters in the body
    :param forbidden: parameters that cannot be set from outside
    :param choices: parameters whose values are among the keys of a part of the cluster's document
    """

    opcode: str
    names: tuple[str, ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    fixed: Callable[[Request], Mapping[str, Any]] = nothing
    body: Callable[[Request], Any] = request_body
    renamed: Mapping[str, str] = field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes_one_object(self) -> bool:
        """Whether it acts on one object, whose serial number can be asked for."""
        return subject_of({"OP_ID": self.opcode} | dict.fromkeys(self.names, "x")) is not None

    async def __call__(self, call: Call) -> bytes:
        """Return the number of the job.

        :raises HttpFailure: the request makes no valid opcode
        :raises GanetiError: the master refused the job
        """
        operation = self.operation(call.request, call.operation)
        await self._check_choices(call, operation)
        return await submitted(call, [operation])

    def operation(self, request: Request, name: str) -> dict[str, Any]:
        """The opcode, as a dict that the master accepts.

        :raises HttpFailure: the request makes none
        """
        static: dict[str, Any] = {"reason": reason_trail(request, name)}
        static |= dict(zip(self.names, request.names, strict=False))
        static |= {parameter: request.flag(argument) for argument, parameter in self.flags}
        static |= self.fixed(request)
        body = self.body(request)
        self._refuse_forbidden(body)
        return filled(OPCODES[self.opcode], body, static | _generic(self, request, body),
                      self.renamed)

    async def _check_choices(self, call: Call, operation: Mapping[str, Any]) -> None:
        """:raises HttpFailure: a value is none that this cluster knows"""
        given = {name: operation[name] for name in self.choices if operation.get(name) is not None}
        if not given:
            return
        known = await call.master.call("QueryClusterInfo")
        for name, value in given.items():
            allowed = known[self.choices[name]]
            if value not in allowed:
                raise bad_request(_invalid(
                    self.opcode, name, value, f"expected one of {', '.join(sorted(allowed))}"))

    def _refuse_forbidden(self, body: Any) -> None:
        if not isinstance(body, dict):
            return
        for name in body:
            if self.renamed.get(name, name) in self.forbidden:
                raise HttpFailure(HTTPStatus.FORBIDDEN,
                                  f"The parameter {name} cannot be set via RAPI")


def _generic(submit: Submit, request: Request, body: Any) -> dict[str, Any]:
    """What the query asks of every opcode: a dry run, for which version of its object it is, and
    force where there is such a parameter.

    An opcode's own flag is set by the resource; here it only counts where the query has it.
    """
    known = parameters(OPCODES[submit.opcode])
    own = {parameter for _, parameter in submit.flags}
    return asked_serial(request) | {
        name: True
        for argument, name in (("dry-run", "dry_run"), ("force", "force"))
        if name in known and name not in own and request.flag(argument)
        and not (isinstance(body, dict) and name in body)}


def reason_trail(request: Request, operation: str) -> list[list[Any]]:
    """Why a job is submitted: the client's own words, if any, and by which resource."""
    now = time.time_ns()
    said = request.text("reason")
    return [*([[USER_REASON, said, now]] if said else []), [f"{SOURCE}:{operation}", "", now]]


@dataclass(frozen=True)
class Unavailable:
    """A method of Ganeti's that this version does not have: refused, and known by name.

    :param what: it would do
    """

    what: str

    async def __call__(self, _call: Call) -> bytes:
        """:raises HttpFailure: always"""
        raise HttpFailure(HTTPStatus.NOT_IMPLEMENTED, f"{self.what} is {MARK}")


async def submitted(call: Call, ops: list[dict[str, Any]]) -> bytes:
    """Submit a job; return its number as a body.

    :raises HttpFailure: the key that the client gave it was used for something else, or its first
        opcode is for another version of its object
    """
    key = Key.of(call.request, call.operation, call.user)
    precondition = Precondition.of(call.request, ops[0])
    if key is None:
        return b"%d" % await call.master.submit(ops, precondition)
    ops[0] = key.noted(ops[0])
    return b"%d" % await call.keys.submit(
        key, lambda: call.master.submit(ops, precondition))


def filled(
    cls: type[OpCode], body: Any, static: Mapping[str, Any],
    renamed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Make an opcode of a body and what it cannot change.

    :raises HttpFailure: 400, in Ganeti's words; 501 for what is not available
    """
    values = {} if body is None else dict(check_type(body, dict, "Body contents"))
    for old, new in (renamed or {}).items():
        if old in values and new in values:
            raise bad_request(f"Parameter '{old}' was renamed to '{new}', but both are specified")
        if old in values:
            values[new] = values.pop(old)
    if overwritten := sorted(values.keys() & static.keys()):
        shown = ", ".join(map(repr, overwritten))
        raise bad_request(f"Can't overwrite static parameters {{{shown}}}")
    values |= static
    problem = _problem(cls, values)
    if problem:
        raise bad_request(problem)
    if names := asked_in_vain(cls.parse(values)):
        raise HttpFailure(HTTPStatus.NOT_IMPLEMENTED, refusal(names))
    return {"OP_ID": cls.op_id, **values}


def class_name(op_id: str) -> str:
    """What Ganeti calls the class of an opcode: ``OpInstanceCreate``."""
    return "".join(word.capitalize() for word in op_id.split("_"))


def _problem(cls: type[OpCode], values: Mapping[str, Any]) -> str:
    """What is wrong with the parameters, in Ganeti's words; empty when nothing is."""
    table = parameters(cls)
    for name, value in values.items():
        parameter = table.get(name)
        if parameter is None:
            return (f"{_INVALID}: Object {class_name(cls.op_id)} doesn't support the parameter"
                    f" '{name}'")
        if value is None and not parameter.required:
            continue
        if detail := parameter.check(value):
            return _invalid(cls.op_id, name, value, detail)
    missing = [name for name, parameter in table.items()
               if parameter.required and name not in values]
    if missing:
        return (f"{_INVALID}: (\"Required parameter '{cls.op_id}.{missing[0]}' missing\","
                " 'wrong_input')")
    return ""


def _invalid(op_id: str, name: str, value: Any, detail: str) -> str:
    return (f"{_INVALID}: (\"Parameter '{op_id}.{name}' fails validation\", 'wrong_input'):"
            f" {json.dumps(value)[:200]}: {detail}")
