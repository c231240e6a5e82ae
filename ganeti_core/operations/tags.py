"""``OP_TAGS_GET``, ``_SET``, ``_DEL`` and ``_SEARCH``: labels of every kind of object."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Edit
from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpPrereqError, RequestError, TagError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.names import nice_key
from ganeti_core.opcodes.tags import TagsDel, TagsGet, TagsSearch, TagsSet
from ganeti_core.operations.base import CLUSTER_SETTINGS, Operation, request
from ganeti_core.operations.networking import check_services
from ganeti_core.operations.ssconf import distribute
from ganeti_core.plugin_api.network_services import services_of
from ganeti_core.query.tags import tags_of
from ganeti_core.query_language.patterns import Pattern, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import ConfigObject
    from ganeti_core.operations.context import OpContext

LONGEST_TAG = 128
MOST_TAGS = 4096
_TAG = re.compile(r"[\w.+*/:@-]+", re.ASCII)
_TITLES = {"instance": "Instance", "node": "Node", "nodegroup": "Group", "network": "Network"}
_PATHS = {"instance": "instances", "node": "nodes", "nodegroup": "nodegroup", "network": "network"}
"""The order, and the first part of the paths, in which a search tells what it found."""


def check_tag(tag: str) -> None:
    """:raises TagError: this cannot be a tag"""
    if not tag:
        raise TagError("Tags can't be empty")
    if len(tag) > LONGEST_TAG:
        raise TagError(f"Tag too long (>{LONGEST_TAG} characters)")
    if not _TAG.fullmatch(tag):
        raise TagError("Tag contains invalid characters")


def with_tags(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """Old and new tags, each once.

    :raises TagError: one cannot be a tag, or together they are too many
    """
    tags = tuple(dict.fromkeys((*old, *new)))
    for tag in tags:
        check_tag(tag)
    if len(tags) > MOST_TAGS:
        raise TagError(f"Too many tags (at most {MOST_TAGS} on one object)")
    return tags


def _tagged(snapshot: Snapshot, kind: str, name: str | None) -> ConfigObject:
    """:raises OpPrereqError: no such object (`ECODE_NOENT`)"""
    if kind == "cluster":
        return snapshot.cluster
    found: ConfigObject | None = snapshot.find(kind, name or "")
    if found is None:
        raise OpPrereqError(f"{_TITLES[kind]} name {name or ''} not found", ECODE_NOENT)
    return found


def _locks(op: TagsSet | TagsDel | TagsGet, snapshot: Snapshot, *, exclusive: bool) -> LockRequest:
    found = _tagged(snapshot, op.kind, op.name)
    if op.kind == "cluster":
        return request(op, replace(CLUSTER_SETTINGS, exclusive=exclusive))
    level = {"instance": Level.INSTANCE, "node": Level.NODE, "nodegroup": Level.GROUP,
             "network": Level.NETWORK}[op.kind]
    # Instances are locked by name: one that is being made has no uuid that others know.
    name = snapshot.instances[found.uuid].name if op.kind == "instance" else found.uuid
    return request(op, Want(level, name, exclusive))


class Get(Operation[TagsGet, list[str]]):
    """List an object's tags."""

    opcode = TagsGet

    def locks(self, op: TagsGet, snapshot: Snapshot) -> LockRequest:
        return _locks(op, snapshot, exclusive=False) if op.use_locking else request(op)

    def plan(self, op: TagsGet, ctx: OpContext) -> list[str]:
        return tags_of(ctx.snapshot, op.kind, op.name or "")

    def run(self, op: TagsGet, ctx: OpContext, plan: list[str]) -> list[str]:
        return plan


class Set(Operation[TagsSet, "ConfigObject"]):
    """Add tags to an object."""

    opcode = TagsSet

    def locks(self, op: TagsSet, snapshot: Snapshot) -> LockRequest:
        return _locks(op, snapshot, exclusive=True)

    def plan(self, op: TagsSet, ctx: OpContext) -> ConfigObject:
        found = _tagged(ctx.snapshot, op.kind, op.name)
        if op.kind == "network":
            check_services(ctx.host, services_of(op.tags))
        return replace(found, tags=with_tags(found.tags, op.tags))

    def run(self, op: TagsSet, ctx: OpContext, plan: ConfigObject) -> None:
        _commit(op, ctx, plan)


class Del(Operation[TagsDel, "ConfigObject"]):
    """Take tags off an object."""

    opcode = TagsDel

    def locks(self, op: TagsDel, snapshot: Snapshot) -> LockRequest:
        return _locks(op, snapshot, exclusive=True)

    def plan(self, op: TagsDel, ctx: OpContext) -> ConfigObject:
        found = _tagged(ctx.snapshot, op.kind, op.name)
        for tag in op.tags:
            check_tag(tag)
        missing = sorted(set(op.tags) - set(found.tags))
        if missing:
            names = ", ".join(f"'{tag}'" for tag in missing)
            raise OpPrereqError(f"Tag(s) {names} not found", ECODE_NOENT)
        return replace(found, tags=tuple(tag for tag in found.tags if tag not in op.tags))

    def run(self, op: TagsDel, ctx: OpContext, plan: ConfigObject) -> None:
        _commit(op, ctx, plan)


def _commit(op: TagsSet | TagsDel, ctx: OpContext, changed: ConfigObject) -> None:
    # Only the tags are ours: the drain flag and the like change without this lock.
    ctx.commit([Edit(changed, {"tags": changed.tags})])
    if op.kind == "cluster":
        distribute(ctx)


class Search(Operation[TagsSearch, Pattern]):
    """Find tags on all objects; return (path, tag) pairs.

    The pattern is matched in linear time: no client's pattern can keep the master busy.
    """

    opcode = TagsSearch

    def plan(self, op: TagsSearch, ctx: OpContext) -> Pattern:
        try:
            re.compile(op.pattern)  # its messages are those that clients know
            return compile_pattern(op.pattern)
        except (re.error, OverflowError, RequestError) as exc:
            raise OpPrereqError(
                f"Invalid search pattern '{op.pattern}': {exc}", ECODE_INVAL) from exc
        except RecursionError as exc:
            raise OpPrereqError("Invalid search pattern: its groups are nested too deeply",
                                ECODE_INVAL) from exc

    def run(self, op: TagsSearch, ctx: OpContext, plan: Pattern) -> list[tuple[str, str]]:
        snapshot = ctx.snapshot
        found = [("/cluster", tag) for tag in snapshot.cluster.tags]
        for kind, folder in _PATHS.items():
            objects = sorted(snapshot.of_kind(kind).values(), key=lambda o: nice_key(o.name))
            found += [(f"/{folder}/{value.name}", tag) for value in objects for tag in value.tags]
        return [(path, tag) for path, tag in found if plan.search(tag)]


OPERATIONS = (Get(), Set(), Del(), Search())
