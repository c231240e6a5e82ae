"""Filter rules of the job queue."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.rapi.failures import HttpFailure, bad_request, not_found
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.request import check_type

if TYPE_CHECKING:
    from ganeti_core.rapi.request import Call, Request

_DEFAULTS: dict[str, Any] = {
    "priority": 0, "predicates": [], "action": "CONTINUE", "reason": []}
_TYPES = {"priority": int, "predicates": list, "reason": list}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _rule(request: Request) -> list[Any]:
    """Priority, predicates, action and reason; the master looks into them.

    :raises HttpFailure: the body has something else, or another type
    """
    body = request.body
    if not isinstance(body, dict):
        raise bad_request("Invalid body contents, not a dictionary")
    for name in body:
        if name not in _DEFAULTS:
            raise bad_request("Invalid body parameters: filter rule doesn't support the parameter"
                              f" '{name}'")
    values = _DEFAULTS | body
    for name, wanted in _TYPES.items():
        check_type(values[name], wanted, f"'{name}' parameter")
    return [values[name] for name in _DEFAULTS]


async def add(call: Call) -> bytes:
    """Add a rule; return its uuid."""
    return encoded(await call.master.call("ReplaceFilter", None, *_rule(call.request)))


async def replace(call: Call) -> bytes:
    """Replace a rule, or add one of this uuid; return it."""
    uuid = call.request.name
    if not _UUID.fullmatch(uuid):
        raise bad_request(f"'{uuid}' is no UUID of a filter rule")
    return encoded(await call.master.call("ReplaceFilter", uuid, *_rule(call.request)))


async def remove(call: Call) -> bytes:
    """Remove a rule.

    :raises HttpFailure: there is none of this uuid
    """
    uuid = call.request.name
    if not await call.master.call("QueryRecords", "filter", [uuid], ["uuid"], []):
        raise not_found()
    try:
        return encoded(await call.master.call("DeleteFilter", uuid))
    except GanetiError as exc:
        raise HttpFailure(HTTPStatus.CONFLICT, exc.message) from exc
