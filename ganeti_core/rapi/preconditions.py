"""Writes for one version of an object: the parameter `serial_no`, and the header `If-Match`.

The daemon looks before it submits, so that a client who is late hears it at once; the job looks
again under its locks, and where it commits (`operations.base.expected_by`).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.config.expected import stale
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.subjects import CLUSTER, subject_of
from ganeti_core.rapi.failures import HttpFailure, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.request import Request

PARAMETER = "serial_no"
HEADER = b"if-match"
ANY = b"*"
_RESOURCES = {"nodegroup": "group"}
_TAG = re.compile(rb'"([0-9]{1,18})-[0-9a-f]+"')


def entity_tag(body: bytes, digest: str) -> bytes:
    """The tag of an object's document: its serial number, and what else it shows.

    A status changes without the object: whoever has seen another one may still change the object.
    """
    return b'"%d-%s"' % (json.loads(body)[PARAMETER], digest.encode())


def asked_serial(request: Request) -> dict[str, int]:
    """The parameter as the query has it, for an opcode.

    :raises HttpFailure: it is no number
    """
    return {PARAMETER: request.number(PARAMETER)} if PARAMETER in request.arguments else {}


async def checked(
    master: Asks, ops: list[dict[str, Any]], precondition: Precondition | None
) -> list[dict[str, Any]]:
    """The opcodes of a job, the first with the serial number that it is for.

    :raises HttpFailure: the object has another one
    """
    if precondition is None:
        return ops
    answer = await master.call(*precondition.question)
    return [precondition.applied(ops[0], precondition.serial_in(answer)), *ops[1:]]


@dataclass(frozen=True)
class Precondition:
    """What the object of a job must be like.

    :param tags: of the header; empty where the opcode itself has a serial number
    """

    kind: str
    name: str
    tags: tuple[bytes, ...]

    @classmethod
    def of(cls, request: Request, op: Mapping[str, Any]) -> Precondition | None:
        """What a request asks for; None where it asks nothing.

        :raises HttpFailure: it is said twice, or this resource changes no single object
        """
        header, wanted = request.headers.get(HEADER), op.get(PARAMETER)
        if header is None and wanted is None:
            return None
        if header is not None and wanted is not None:
            raise bad_request(f"If-Match and {PARAMETER} say the same thing: send one of them")
        subject = subject_of(op)
        if subject is None:
            raise bad_request(f"Neither If-Match nor {PARAMETER} are for this resource: it changes"
                              " no single object that there is")
        return cls(*subject, tuple(tag.strip() for tag in (header or b"").split(b",") if header))

    def applied(self, op: dict[str, Any], current: int | None) -> dict[str, Any]:
        """The opcode with the serial number that it is for.

        :param current: that of the object; None where there is none
        :raises HttpFailure: it is another one: 412 for the header, as RFC 9110 has it, else 409
        """
        if not self.tags:
            if current is None:
                raise HttpFailure(HTTPStatus.NOT_FOUND, f"There is no {self._title}")
            if current != op[PARAMETER]:
                raise HttpFailure(HTTPStatus.CONFLICT, self._stale(str(op[PARAMETER]), current))
            return op
        if current is None:
            raise HttpFailure(HTTPStatus.PRECONDITION_FAILED, f"There is no {self._title}")
        if self.tags != (ANY,) and current not in self._serials():
            shown = " or ".join(map(str, sorted(self._serials()))) or "none of such a tag"
            raise HttpFailure(HTTPStatus.PRECONDITION_FAILED, self._stale(shown, current))
        return {**op, PARAMETER: current}

    @property
    def question(self) -> tuple[Any, ...]:
        """The call of the master that returns the object's serial number, see `serial_in`."""
        if self.kind == CLUSTER:
            return ("QueryClusterInfo",)
        return "QueryRecords", _RESOURCES.get(self.kind, self.kind), [self.name], [PARAMETER], []

    def serial_in(self, answer: Any) -> int | None:
        """The serial number in what the master has returned."""
        row = answer if self.kind == CLUSTER else answer[0] if answer else None
        return None if row is None else int(row[PARAMETER])

    @property
    def _title(self) -> str:
        return f"{_RESOURCES.get(self.kind, self.kind)} {self.name}".strip()

    def _serials(self) -> set[int]:
        # A weak tag never matches: it does not say that nothing has changed.
        return {int(found[1]) for tag in self.tags if (found := _TAG.fullmatch(tag))}

    def _stale(self, expected: str, found: int) -> str:
        return stale(self.kind, self.name, expected, found)
