"""Names that the master knows, for a shell that completes a word.

Whoever presses a key waits for it: there is a short deadline, and what goes wrong is no name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import LuxiClient

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

DEADLINE = 1.0
"""Seconds; a master that is well answers in milliseconds."""

_LISTED = {"instance": "name", "node": "name", "group": "name", "network": "name", "job": "id",
           "export": "export", "filter": "uuid"}
_PLUGINS = {"os": "os", "provider": "extstorage", "allocator": "iallocators",
            "template": "disk_templates"}
_UNFINISHED = ("queued", "waiting", "canceling", "running")
_FIELDS = "fields-"


def names(socket: Path, kind: str, word: str) -> list[str]:
    """The words of a kind (`words.py`) that begin with `word`; none where no master answers."""
    try:
        with LuxiClient(socket, DEADLINE) as client:
            head, known = _candidates(client, kind, word)
    except (GanetiError, OSError):
        return []
    begun = word.removeprefix(head)
    return [head + name for name in known if name.startswith(begun)]


def _candidates(client: LuxiClient, kind: str, word: str) -> tuple[str, Iterable[str]]:
    """What of `word` stays, and what may follow it."""
    if kind == "node-pair":
        first, colon, _ = word.partition(":")
        return first + colon if colon else "", _column(client, "node", "name")
    if kind.startswith(_FIELDS):
        before, comma, last = word.rpartition(",")
        # A plus before the first field adds to the usual ones.
        head = before + comma or "+" * last.startswith("+")
        answer = client.query_fields(kind.removeprefix(_FIELDS), None)
        return head, [field["name"] for field in answer["fields"]]
    return "", _names(client, kind)


def _names(client: LuxiClient, kind: str) -> Iterable[str]:
    if kind == "unfinished-job":
        return _column(client, "job", "id",
                       ["|", *(["=", "status", status] for status in _UNFINISHED)])
    if kind in _LISTED:
        return dict.fromkeys(_column(client, kind, _LISTED[kind]))
    found = [row["name"] for row in client.plugin_status()
             if row["kind"] == _PLUGINS.get(kind) and not row.get("problem")]
    # Only instances tell which variants of their OS are in use without asking the nodes.
    return dict.fromkeys([*found, *_column(client, "instance", "os")]) if kind == "os" else found


def _column(
    client: LuxiClient, resource: str, field: str, filter_: list[Any] | None = None
) -> list[str]:
    rows = client.query(resource, [field], filter_)["data"]
    return [str(value) for ((status, value),) in rows if status == 0]
