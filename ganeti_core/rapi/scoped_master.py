"""The master as somebody with a scope sees it: what is out of it is not there.

Handlers ask it like the master itself, so none can forget to look: a call that is not in its table
is refused. Every object is decided on by `decide`, in lists as alone.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.concerns import (
    ANY,
    GROUP,
    INSTANCE,
    NETWORK,
    NODE,
    Concern,
    Unbounded,
    concerns,
)
from ganeti_core.rapi.failures import HttpFailure, not_found
from ganeti_core.rapi.permissions import decide
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.scopes import Thing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.permissions import Actor, Rule
    from ganeti_core.rapi.preconditions import Precondition

MARK_SOURCE = "gnt:token"
"""Who adds an entry to the reason trail of a job: its submitter is known by it."""
_LIES_IN = {INSTANCE: ("pnode.group", "snodes.group"), NODE: ("group",), GROUP: ("name",),
            NETWORK: ("group_list",)}
_NAMES_OTHERS = {"pinst_list": INSTANCE, "sinst_list": INSTANCE, "inst_list": INSTANCE,
                 "node_list": NODE, "group_list": GROUP}
"""Fields that list other objects, by names, or by rows that begin with one."""
_TAGGED = {"instance": INSTANCE, "node": NODE, "nodegroup": GROUP, "network": NETWORK}


@dataclass
class ScopedMaster:
    """Asks `master` for `actor`, who has a scope, about what `rule` is needed for."""

    master: Asks
    actor: Actor
    rule: Rule
    _uuids: frozenset[str] = frozenset()
    """Of what is in the scope, or was until its last event: so it is seen how something goes."""

    async def text(self, method: str, *args: Any, wait: float = 0.0) -> bytes:
        """See `MasterLink.text`.

        :raises HttpFailure: it is out of the scope
        """
        return encoded(await self.call(method, *args, wait=wait))

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        """As `text`, decoded."""
        handlers: Mapping[str, Callable[..., Awaitable[Any]]] = {
            "QueryRecords": self._records, "Query": self._query, "QueryJobs": self._jobs,
            "QueryNodes": self._plain(NODE), "QueryInstances": self._plain(INSTANCE),
            "QueryTags": self._tags, "WaitForJobChange": self._of_job("WaitForJobChange", wait),
            "CancelJob": self._of_job("CancelJob", wait), "WaitForEvents": self._events(wait),
            "OpenConsole": self._console(wait)}
        if method in ("QueryClusterInfo", "QueryFields"):
            return await self.master.call(method, *args, wait=wait)
        if method not in handlers:
            raise self._denied(f"{method} is about more than objects of a scope")
        return await handlers[method](*args)

    async def submit(
        self, ops: list[dict[str, Any]], precondition: Precondition | None = None
    ) -> int:
        """See `MasterLink.submit`.

        :raises HttpFailure: it is out of the scope
        """
        for op in ops:
            try:
                wanted = concerns(op)
            except Unbounded as exc:
                raise self._denied(str(exc)) from exc
            for one, thing in zip(wanted, await self._things(wanted), strict=True):
                # Whether there is such an object is not told either.
                decision = decide(self.actor, self.rule, thing or Thing(one.kind, one.name))
                if not decision.allowed:
                    raise self._denied(decision.reason)
        return await self.master.submit([
            {**op, "reason": [*op["reason"], [MARK_SOURCE, self.actor.mark, _when(op)]]}
            for op in ops], precondition)

    def socket(self) -> NoReturn:
        """See `MasterLink.socket`.

        :raises HttpFailure: always: a program reads the whole cluster
        """
        raise self._denied("it is computed from the whole cluster")

    def _denied(self, reason: str) -> HttpFailure:
        return HttpFailure(HTTPStatus.FORBIDDEN, "This is out of the scope of the token",
                           reason=reason)

    def _allows(self, thing: Thing) -> bool:
        return decide(self.actor, self.rule, thing).allowed

    # What there is

    async def _known(self, kind: str, names: Iterable[str] = ()) -> dict[str, Thing]:
        """Objects by name, those of `names` or all."""
        rows = await self.master.call(
            "QueryRecords", kind, list(names), ["name", "uuid", "tags", *_LIES_IN[kind]], [])
        return {row["name"]: _thing(kind, row) for row in rows}

    async def _seen(self, kind: str, names: Iterable[str] = ()) -> dict[str, Thing]:
        """As `_known`, as much of it as is in the scope."""
        known = await self._known(kind, names)
        return {name: thing for name, thing in known.items() if self._allows(thing)}

    async def _things(self, wanted: Sequence[Concern]) -> list[Thing | None]:
        """What these are; None for what there is not."""
        names: dict[str, set[str]] = {}
        for one in wanted:
            if one.made is None and one.name != ANY:
                names.setdefault(one.kind, set()).add(one.name)
        known = {kind: await self._known(kind, sorted(some)) for kind, some in names.items()}
        found: list[Thing | None] = []
        for position, one in enumerate(wanted):
            if one.made is not None:
                found.append(_made(one, wanted[position + 1:], known))
                continue
            if one.name == ANY:
                found.append(Thing(one.kind, "that an allocator chooses", used=one.used))
                continue
            thing = known[one.kind].get(one.name)
            found.append(thing and Thing(thing.kind, thing.name, thing.uuid, thing.tags,
                                         thing.groups, one.used))
        return found

    async def _jobs_seen(self, ids: Sequence[int] | None) -> set[int]:
        """Which of these jobs, or of all, are in the scope."""
        if ids is not None and not ids:
            return set()
        rows = await self.master.call("QueryJobs", ids, ["id", "ops"])
        about: dict[int, list[Concern]] = {}
        found: set[int] = set()
        for number, ops in (row for row in rows if row is not None):
            if any(self._has_mark(op) for op in ops or []):
                found.add(number)
            elif (wanted := _concerns_of(ops or [])):
                about[number] = wanted
        pairs = [(number, one) for number, wanted in about.items() for one in wanted]
        things = await self._things([one for _, one in pairs])
        beyond = {number for (number, _), thing in zip(pairs, things, strict=True)
                  if thing is None or not self._allows(thing)}
        return found | (about.keys() - beyond)

    def _has_mark(self, op: Mapping[str, Any]) -> bool:
        return any(list(entry[:2]) == [MARK_SOURCE, self.actor.mark]
                   for entry in op.get("reason") or [])

    # What is asked

    async def _records(
        self, what: str, names: list[str], fields: Sequence[str], repeated: Any
    ) -> list[dict[str, Any]]:
        if what == "job":
            seen: Any = await self._jobs_seen([int(name) for name in names] or None)
            key = "id"
        elif what in _LIES_IN:
            seen, key = await self._seen(what, names), "name"
        else:
            raise self._denied(f"{what} objects are in no scope")
        rows = await self.master.call("QueryRecords", what, names, list(fields), repeated)
        found = [row for row in rows if row[key] in seen]
        return [await self._cleaned(row) for row in found]

    async def _cleaned(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row without the names of objects that are out of the scope."""
        for name in row.keys() & _NAMES_OTHERS:
            row[name] = await self._within(name, row[name])
        return row

    async def _within(self, name: str, values: Any) -> Any:
        if not values:
            return values
        names = [value[0] if isinstance(value, list) else value for value in values]
        seen = await self._seen(_NAMES_OTHERS[name], names)
        return [value for value, one in zip(values, names, strict=True) if one in seen]

    async def _query(self, what: str, fields: list[str], qfilter: Any) -> dict[str, Any]:
        if what != "job" and what not in _LIES_IN:
            raise self._denied(f"{what} objects are in no scope")
        if _mentions(qfilter, _NAMES_OTHERS):
            raise self._denied("a filter asks for names of other objects")
        key = "id" if what == "job" else "name"
        found: dict[str, Any] = await self.master.call("Query", what, [*fields, key], qfilter)
        ids = [row[-1][1] for row in found["data"]]
        seen: Any = await (self._jobs_seen(ids) if what == "job" else self._seen(what, ids or [""]))
        rows = [row[:-1] for row in found["data"] if row[-1][1] in seen]
        for position, name in enumerate(fields):
            if name in _NAMES_OTHERS:
                for row in rows:
                    row[position][1] = await self._within(name, row[position][1])
        return {**found, "fields": found["fields"][:-1], "data": rows}

    async def _jobs(self, ids: list[int] | None, fields: Sequence[str]) -> list[Any]:
        """:raises HttpFailure: 403, all jobs are asked for"""
        if ids is None:
            raise self._denied("all jobs are asked for")
        seen = await self._jobs_seen(ids)
        rows = await self.master.call("QueryJobs", ids, list(fields))
        return [row if number in seen else None
                for number, row in zip(ids, rows, strict=True)]

    def _plain(self, kind: str) -> Callable[..., Awaitable[Any]]:
        async def ask(names: list[str], fields: Sequence[str], locking: bool) -> Any:
            seen = list(await self._seen(kind, names))
            method = {NODE: "QueryNodes", INSTANCE: "QueryInstances"}[kind]
            # Without names it would answer of all that there are.
            return await self.master.call(method, seen, list(fields), locking) if seen else []

        return ask

    async def _tags(self, kind: str, name: str) -> Any:
        if kind in _TAGGED and not await self._seen(_TAGGED[kind], [name]):
            raise not_found()
        return await self.master.call("QueryTags", kind, name)

    def _console(self, wait: float) -> Callable[..., Awaitable[Any]]:
        async def ask(name: str) -> Any:
            if not await self._seen(INSTANCE, [name]):
                raise not_found()
            return await self.master.call("OpenConsole", name, wait=wait)

        return ask

    def _of_job(self, method: str, wait: float) -> Callable[..., Awaitable[Any]]:
        async def ask(number: int, *args: Any) -> Any:
            if not await self._jobs_seen([number]):
                raise not_found()
            return await self.master.call(method, number, *args, wait=wait)

        return ask

    def _events(self, wait: float) -> Callable[..., Awaitable[Any]]:
        async def ask(*args: Any) -> Any:
            known = self._uuids or await self._seen_uuids()
            found = await self.master.call("WaitForEvents", *args, wait=wait)
            now = known
            if any(name == "config" for _, name, _ in found["events"]):
                now = await self._seen_uuids()
            jobs = await self._jobs_seen(
                sorted({data["id"] for _, name, data in found["events"] if name == "job"}))
            shown = [[number, name, event] for number, name, data in found["events"]
                     if (event := _event(name, data, jobs, known | now)) is not None]
            told = {one["uuid"] for _, _, event in shown
                    for some in event.get("changed", {}).values() for one in some}
            self._uuids = now | (known - told)
            return {**found, "events": shown}

        return ask

    async def _seen_uuids(self) -> frozenset[str]:
        return frozenset([thing.uuid for kind in _LIES_IN
                          for thing in (await self._seen(kind)).values()])


def _event(
    name: str, data: dict[str, Any], jobs: set[int], uuids: frozenset[str]
) -> dict[str, Any] | None:
    """As much of an event as is about these jobs and objects; None for nothing."""
    if name == "job":
        return data if data["id"] in jobs else None
    changed = {kind: some for kind, objects in data.get("changed", {}).items()
               if (some := [one for one in objects if one["uuid"] in uuids])}
    return {**data, "changed": changed} if changed else None


def _when(op: Mapping[str, Any]) -> Any:
    """The time of the entry that the resource has added."""
    return op["reason"][-1][2]


def _thing(kind: str, row: Mapping[str, Any]) -> Thing:
    groups: set[str] = set()
    for name in _LIES_IN[kind]:
        value = row[name]
        several = value if isinstance(value, list) else [value]
        groups |= {one[0] if isinstance(one, list) else one for one in several if one}
    return Thing(kind, row["name"], row["uuid"], frozenset(row["tags"] or ()), frozenset(groups))


def _made(
    one: Concern, following: Sequence[Concern], known: Mapping[str, Mapping[str, Thing]]
) -> Thing:
    """An object that is to be made: it lies where what follows it lies."""
    groups: frozenset[str] = frozenset()
    for other in following:
        if other.made is not None:
            break
        place = known.get(other.kind, {}).get(other.name)
        groups |= place.groups if place else frozenset()
    return Thing(one.kind, one.name, "", one.made or frozenset(), groups)


def _concerns_of(ops: Sequence[Mapping[str, Any]]) -> list[Concern]:
    """What a job is about; nothing where it may be about anything."""
    try:
        return [one for op in ops for one in concerns(op)]
    except Unbounded:
        return []


def _mentions(qfilter: Any, names: Iterable[str]) -> bool:
    if isinstance(qfilter, list):
        return any(_mentions(one, names) for one in qfilter)
    return isinstance(qfilter, str) and qfilter in names
