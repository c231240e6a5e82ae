"""The words in which clients are told that a request could not be read."""

from __future__ import annotations

import json
from typing import Any

from ganeti_core.errors import GanetiError, RequestError

MAX_SHOWN = 2000


def unreadable(args: list[Any], problem: object) -> RequestError:
    """The error for arguments of a LUXI call that are not what the call takes."""
    shown = json.dumps(args, ensure_ascii=False)
    if len(shown) > MAX_SHOWN:
        shown = f"{shown[:MAX_SHOWN]}..."
    return RequestError(
        f"Failed to parse request: Cannot convert value '{shown}', error: {problem}")


def refuse_as_ganeti(call: str, what: str) -> None:
    """Refuse, at the LUXI door, the resources that Ganeti lists only inside jobs.

    :param call: ``Query`` or ``QueryFields``
    :raises GanetiError: with Ganeti's text
    """
    if what in ("os", "cluster"):
        name = {"os": "QROs", "cluster": "QRCluster"}[what]
        raise GanetiError(f"{call} 'ItemTypeOpCode {name}' not supported")
    if what == "extstorage":
        raise RequestError(
            f"Can't parse value '{what}' as neitherQueryTypeLuxi nor QueryTypeOp")
