"""Resources that list objects, or show one of them: the master's rows, forwarded as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.secrets import redact
from ganeti_core.rapi.failures import not_found

if TYPE_CHECKING:
    from ganeti_core.rapi.request import Call

_PRIVATE = b'"osparams_private'
_OPCODE = b'"OP_ID"'
Repeated = tuple[tuple[str, str | None, str], ...]


def encoded(document: Any) -> bytes:
    """A body of a document."""
    return json.dumps(document).encode()


def without_private(body: bytes) -> bytes:
    """A body without the values of opcodes' private OS parameters: jobs are shown to everybody."""
    if _PRIVATE not in body or _OPCODE not in body:
        return body
    return encoded(_without_private(json.loads(body), in_opcode=False))


def _without_private(value: Any, *, in_opcode: bool) -> Any:
    if isinstance(value, list):
        return [_without_private(one, in_opcode=in_opcode) for one in value]
    if not isinstance(value, dict):
        return value
    # Also in what an opcode carries, such as the instances of an allocation.
    inside = in_opcode or isinstance(value.get("OP_ID"), str)
    return {name: redact(one) if inside and name.startswith("osparams_private")
            else _without_private(one, in_opcode=inside) for name, one in value.items()}


@dataclass(frozen=True)
class Collection:
    """All objects of a sort: their names and addresses, or, in bulk, what there is to know.

    :param what: the resource of queries
    :param id_key: under which an object's name stands in the short form
    :param repeated: values that stand twice, see `query.cache.Shape`
    """

    what: str
    fields: tuple[str, ...]
    id_key: str = "id"
    id_field: str = "name"
    repeated: Repeated = ()

    async def __call__(self, call: Call) -> bytes:
        """List them."""
        if call.request.flag("bulk"):
            return await call.master.text("QueryRecords", self.what, [], self.fields,
                                          self.repeated)
        found = await call.master.call("QueryRecords", self.what, [], [self.id_field], [])
        base = f"/2/{self.what}s/"
        names = sorted(row[self.id_field] for row in found)
        return encoded([{self.id_key: name, "uri": f"{base}{name}"} for name in names])


@dataclass(frozen=True)
class Item:
    """One object, named by the path."""

    what: str
    fields: tuple[str, ...]
    repeated: Repeated = ()

    async def __call__(self, call: Call) -> bytes:
        """Show it.

        :raises HttpFailure: there is none of this name
        """
        rows = await call.master.text("QueryRecords", self.what, [call.request.name], self.fields,
                                      self.repeated)
        if rows == b"[]":
            raise not_found()
        # A list of the one object.
        return rows[1:-1]


@dataclass(frozen=True)
class Constant:
    """A resource whose answer never changes."""

    value: Any

    async def __call__(self, _call: Call) -> bytes:
        """Show it."""
        return encoded(self.value)
