"""Filter rules as clients send them: from the arguments of a call to a change of the config."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Delete, Put
from ganeti_core.errors import GanetiError, RequestError
from ganeti_core.jobs.filters import parse_action, parse_predicates
from ganeti_core.model import FilterRule, new_uuid
from ganeti_core.query.requests import unreadable

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SOURCE = "luxid"
"""Who adds the last entry to a rule's reason trail, in Ganeti's words."""


def replacement(args: list[Any], watermark: int) -> Put:
    """The change that adds a rule, or replaces the one of its uuid.

    :param args: uuid or None, priority, predicates, action, reason trail
    :param watermark: the last job id that was given
    :raises RequestError: they cannot be read
    """
    uuid, priority, predicates, action, reason = args
    try:
        _check_uuid(uuid)
        rule = FilterRule(
            uuid=uuid or new_uuid(), watermark=watermark, priority=_natural(priority),
            predicates=parse_predicates(predicates), action=parse_action(action),
            reason=(*_trail(reason), [SOURCE, "", time.time_ns()]))
    except RequestError as exc:
        raise unreadable(args, exc) from exc
    return Put(rule)


def removal(uuid: Any, snapshot: Snapshot) -> Delete:
    """:raises GanetiError: there is no such rule; Ganeti's text"""
    rule = snapshot.filters.get(uuid) if isinstance(uuid, str) else None
    if rule is None:
        raise GanetiError(f"Filter rule with UUID {uuid} does not exist")
    return Delete(rule)


def _check_uuid(uuid: Any) -> None:
    if uuid is not None and not (isinstance(uuid, str) and _UUID.fullmatch(uuid)):
        raise RequestError("Unable to read UUID")


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError("Unable to read Integer")
    if value < 0:
        raise RequestError(f"Invalid value for non-negative type '{value}'")
    return value


def _trail(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise RequestError("Unable to read list")
    for entry in data:
        match entry:
            case [str(), str(), int()]:
                continue
        raise RequestError("Unable to read reason trail")
    return data
