"""What is asked of the cluster as a whole, and of single objects beside their fields."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi import protocol
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS
from ganeti_core.rapi.failures import bad_request, not_found
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.request import check_type

if TYPE_CHECKING:
    from ganeti_core.rapi.request import Call, Request

_ROLE_NAMES = {"M": "master", "C": "master-candidate", "R": "regular", "D": "drained",
               "O": "offline"}
_ALIASES = {setting.name: setting.parameter for setting in GANETI_SETTINGS}
"""Settings are found under the names of the parameters that set them, too."""
IN_JOBS_ONLY = ("os", "cluster", "extstorage")
"""Resources that the master lists only inside jobs, as Ganeti's does."""


@dataclass
class Info:
    """The cluster's settings; the last answer is kept, for it hardly ever changes."""

    _last: tuple[bytes, bytes] = field(default=(b"", b""))

    async def __call__(self, call: Call) -> bytes:
        """Show them, some under a second name."""
        text = await call.master.text("QueryClusterInfo")
        if text != self._last[0]:
            found = protocol.parse_document(text)
            found |= {new: found[old] for old, new in _ALIASES.items() if old in found}
            self._last = text, encoded(found)
        return self._last[1]


@dataclass(frozen=True)
class Tags:
    """The tags of an object, or of the cluster where the path names none."""

    kind: str

    async def __call__(self, call: Call) -> bytes:
        """List them."""
        name = call.request.name if call.request.names else ""
        return await call.master.text("QueryTags", self.kind, name)


async def node_role(call: Call) -> bytes:
    """Show a node's role, in a word.

    :raises HttpFailure: there is no such node
    """
    rows = await call.master.call("QueryNodes", [call.request.name], ["role"], False)
    if not rows:
        raise not_found()
    return encoded(_ROLE_NAMES[rows[0][0]])


async def query(call: Call) -> bytes:
    """Query a resource: fields in the query, or fields and a filter in the body.

    :raises HttpFailure: no fields are named
    """
    fields, qfilter = _wanted(call.request)
    what = call.request.name
    if what in IN_JOBS_ONLY:
        from ganeti_core.rapi.waiting import result_of
        return encoded(await result_of(call, {
            "OP_ID": "OP_QUERY", "what": what, "fields": fields, "qfilter": qfilter}))
    return await call.master.text("Query", what, fields, qfilter)


def _wanted(request: Request) -> tuple[Any, Any]:
    body = request.body
    if body is None:
        return _query_fields(request), None
    check_type(body, dict, "Body contents")
    fields = body["fields"] if "fields" in body else _query_fields(request)
    if not isinstance(fields, list) or not all(isinstance(one, str) for one in fields):
        raise bad_request("The 'fields' parameter should be a list of strings")
    qfilter = body.get("qfilter")
    return fields, body.get("filter") if qfilter is None else qfilter


def _query_fields(request: Request) -> list[str]:
    text = request.text("fields")
    if text is None:
        raise bad_request("Missing 'fields' query argument")
    return split_fields(text)


def split_fields(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


async def query_fields(call: Call) -> bytes:
    """List the fields of a resource, or describe those that the query names."""
    text = call.request.text("fields")
    fields = None if text is None else split_fields(text)
    what = call.request.name
    if what in IN_JOBS_ONLY:
        from ganeti_core.rapi.waiting import result_of
        return encoded(await result_of(call, {
            "OP_ID": "OP_QUERY_FIELDS", "what": what, "fields": fields}))
    return await call.master.text("QueryFields", what, fields)
