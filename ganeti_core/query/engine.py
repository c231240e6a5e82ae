"""Return queries: which fields there are, and rows of them.

One query: parse the filter; take the rows by name from the index where the filter only names
objects, else all; drop what the filter's configuration part excludes; ask the nodes of the rest,
once, what the wanted fields need; filter again; encode what is not encoded yet.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import ECODE_INVAL, OpPrereqError, ParameterError, RequestError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.query.cache import Columns, Encoded, RowCache, Shape
from ganeti_core.query.cluster_listing import ClusterResource
from ganeti_core.query.export import ExportResource
from ganeti_core.query.fields import Field, unknown_field
from ganeti_core.query.figure import FigureResource
from ganeti_core.query.filter_rule import RuleResource
from ganeti_core.query.group import GroupResource
from ganeti_core.query.instance import InstanceResource
from ganeti_core.query.job import JobResource, JobRow
from ganeti_core.query.lock import LockResource
from ganeti_core.query.network import NetworkResource
from ganeti_core.query.node import NodeResource
from ganeti_core.query.provider import OsResource, ProviderResource
from ganeti_core.query.view import Index, Resource, View
from ganeti_core.query_language import (
    EVERYTHING,
    Access,
    Expression,
    compile_filter,
    fields_of,
    is_light,
    make_simple_filter,
    parse_filter,
    requested_names,
    split,
)
from ganeti_core.specs.disks import NoCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.figures import Samples
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.live import LiveSource
    from ganeti_core.query.sources import JobSource, LockSource
    from ganeti_core.specs.disks import MasterCalls

R = TypeVar("R")

_NO_CONFIG = Snapshot()
"""What queries of jobs alone look at."""

Observer = Callable[[Mapping[str, Any]], list[Any]]
"""Tells the values of some fields of a job's document."""

_MOST_OBSERVERS = 64
MOST_FIELDS = 2000
"""In one query, repeated ones included: every row has a cell for each."""
KEPT_INDEXES = 4
"""Snapshots whose derived data are kept: running operations still query older ones."""


@dataclass(frozen=True)
class _Query:
    """A query, checked.

    `early` needs no node, `late` does; `names` is set where the filter asks for nothing else.
    """

    columns: Columns[Any]
    early: Callable[[Any], bool] | None
    late: Callable[[Any], bool] | None
    names: Sequence[str | int] | None
    wanted: frozenset[str]


@dataclass
class QueryEngine:
    """Return queries from snapshots and the given sources. Safe to use from several threads.

    Answers share their rows with later answers: do not change them.

    :param on_master: calls hooks that need no node; without it none is called
    :param figures: gives what the master has counted and measured, by name
    """

    host: PluginHost
    live: LiveSource
    jobs: JobSource
    locks: LockSource
    on_master: MasterCalls | None = None
    figures: Callable[[], Mapping[str, Samples]] = dict
    _cache: RowCache = field(default_factory=RowCache)
    _indexes: dict[int, Index] = field(default_factory=dict)
    _latest: Index | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _resources: dict[str, Resource[Any]] = field(default_factory=dict)
    _observers: dict[tuple[str, ...], Observer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Look at the plugin host again, after plugins came or went."""
        resources: list[Resource[Any]] = [
            InstanceResource(self.host), NodeResource(), GroupResource(), NetworkResource(),
            JobResource(), LockResource(), RuleResource(), ExportResource(), ClusterResource(),
            OsResource(), ProviderResource(), FigureResource(),
        ]
        self._resources = {resource.what: resource for resource in resources}
        with self._guard:
            self._indexes.clear()
            self._latest = None
        self._cache.clear()

    def fields(self, what: str, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Describe the fields of a resource, all or those of `names`; unknown ones say so.

        :raises RequestError: there is no such resource
        """
        known = self._resource(what).fields
        if not names:
            return {"fields": [found.describe() for found in known.values()]}
        _check_count(names)
        return {"fields": [_column(known, name).describe() for name in names]}

    def needs_live(self, what: str, fields: Sequence[str], qfilter: object = None) -> bool:
        """Whether a query must ask nodes, and so may take seconds.

        :raises RequestError: as `query`
        """
        known = self._resource(what).fields
        wanted = {*fields, *fields_of(parse_filter(qfilter))}
        return any(known[name].needs for name in wanted if name in known)

    def needs_thread(self, what: str, fields: Sequence[str], qfilter: object = None) -> bool:
        """Whether a query waits for nodes, reads many jobs, or filters for long: not for the event
        loop's thread.

        :raises RequestError: as `query`
        """
        return what == "job" or not is_light(qfilter) or self.needs_live(what, fields, qfilter)

    def query(
        self, snapshot: Snapshot, what: str, fields: Sequence[str], qfilter: object = None
    ) -> dict[str, Any]:
        """Return ``{"fields": [...], "data": [[[status, value], ...], ...]}``.

        :param qfilter: the list form of a filter, None for everything
        :raises RequestError: no such resource, or no filter
        :raises ParameterError: the filter names an unknown field or compares what cannot be
        :raises OpPrereqError: the filter asks for one name and there is none such
        """
        query = self._prepare(what, fields, qfilter)
        rows = self._encoded(snapshot, query)
        return {"fields": [found.describe() for found in query.columns.fields],
                "data": [row.cells for row in rows]}

    def query_json(
        self, snapshot: Snapshot, what: str, fields: Sequence[str], qfilter: object = None
    ) -> list[bytes]:
        """As `query`, as parts of a JSON text; rows that were sent before are not encoded again.

        The rows in it are those that are kept: however many answers are on their way, each is in
        memory once.
        """
        query = self._prepare(what, fields, qfilter)
        described = [found.describe() for found in query.columns.fields]
        head = f'{{"fields":{json.dumps(described, separators=(",", ":"))},"data":['
        return _listed(head.encode(), [row.text for row in self._encoded(snapshot, query)], b"]}")

    def records(
        self, snapshot: Snapshot, what: str, names: Sequence[str], shape: Shape
    ) -> list[bytes]:
        """The parts of a JSON list of objects, one per row; see `query_json`.

        :param names: of the objects wanted, those not known select nothing; none for all
        :param shape: its keys are fields
        :raises RequestError: there is no such resource
        :raises OpPrereqError: unknown fields (`ECODE_INVAL`)
        """
        name_field = self._resource(what).name_field
        query = self._prepare(what, shape.keys, make_simple_filter(name_field, names))
        _refuse_unknown(query.columns.fields)
        rows = self._encoded(snapshot, replace(query, names=None))
        return _listed(b"[", [row.record(shape) for row in rows], b"]")

    def old_style(
        self, snapshot: Snapshot, what: str, names: Sequence[str], fields: Sequence[str]
    ) -> list[list[Any]]:
        """Plain values, as the older calls answer; names that are not known select nothing.

        :param names: of the objects wanted; none for all
        :raises OpPrereqError: unknown fields (`ECODE_INVAL`)
        """
        name_field = self._resource(what).name_field
        query = self._prepare(what, fields, make_simple_filter(name_field, names))
        return _values(query, self._encoded(snapshot, replace(query, names=None)))

    def old_jobs(self, ids: Sequence[int] | None, fields: Sequence[str]) -> list[list[Any]]:
        """The answer to ``QueryJobs``: jobs that do not exist have a row of None.

        :raises OpPrereqError: as `old_style`
        """
        query = self._prepare("job", fields, None)
        return _values(query, self._encoded(_NO_CONFIG, replace(query, names=ids)))

    def exports(self, snapshot: Snapshot, nodes: Sequence[str]) -> list[list[Any]]:
        """The answer to ``QueryExports``: node and export, None where there is none."""
        return self.old_style(snapshot, "export", nodes, ["node", "export"])

    def job_observer(self, fields: Sequence[str]) -> Observer:
        """Make what tells the values of `fields` of a job's document.

        :raises OpPrereqError: as `old_style`
        """
        key = tuple(fields)
        observer = self._observers.get(key)
        if observer is None:
            columns = self._prepare("job", fields, None).columns
            _refuse_unknown(columns.fields)

            def observe(job: Mapping[str, Any]) -> list[Any]:
                row = JobRow(job["id"], job)
                return [field.cell(row)[1] for field in columns.fields]

            if len(self._observers) >= _MOST_OBSERVERS:
                self._observers.clear()
            observer = self._observers[key] = observe
        return observer

    def _resource(self, what: object) -> Resource[Any]:
        if not isinstance(what, str):
            raise RequestError(f"Invalid value '{json.dumps(what):.100}'for query type")
        found = self._resources.get(what)
        if found is None:
            raise RequestError(
                f"Can't parse value '{what:.100}' as neitherQueryTypeLuxi nor QueryTypeOp")
        return found

    def _prepare(self, what: str, fields: Sequence[str], qfilter: object) -> _Query:
        resource = self._resource(what)
        known = resource.fields
        _check_count(fields)
        expression = parse_filter(qfilter)

        def access(name: str) -> Access[Any]:
            if name not in known:
                raise ParameterError(f"Can't find field named '{name}'")
            return known[name].access()

        early, late = split(expression, lambda name: name in known and bool(known[name].needs))
        return _Query(
            Columns(resource, [_column(known, name) for name in fields]),
            _test(early, access), _test(late, access),
            requested_names(expression, resource.name_field),
            frozenset({*fields, *fields_of(expression)}))

    def _encoded(self, snapshot: Snapshot, query: _Query) -> list[Encoded[Any]]:
        resource = query.columns.resource
        view = View(self._index(snapshot), self.live, self.jobs, self.locks,
                    self.on_master or NoCalls(self.host), query.wanted, self.figures)
        rows = resource.rows(view, query.names)
        if query.early is not None:
            rows = list(filter(query.early, rows))
        wanted = [resource.fields[name] for name in query.wanted if name in resource.fields]
        needs = frozenset(need for found in wanted for need in found.needs)
        if needs:
            rows = resource.with_live(view, rows, needs)
        if query.late is not None:
            rows = list(filter(query.late, rows))
        whole = query.names is None and query.early is None and query.late is None
        return self._cache.encode(query.columns, rows, whole=whole)

    def _index(self, snapshot: Snapshot) -> Index:
        key = id(snapshot)
        with self._guard:
            found = self._indexes.pop(key, None)
            if found is None or found.snapshot is not snapshot:
                found = Index(snapshot, self.host, self._latest)
                if snapshot is not _NO_CONFIG:
                    self._latest = found
            self._indexes[key] = found  # now the last to go
            while len(self._indexes) > KEPT_INDEXES:
                del self._indexes[next(iter(self._indexes))]
            return found


def _check_count(fields: Sequence[str]) -> None:
    """:raises OpPrereqError: so many fields are asked for that the answer could fill the memory"""
    if len(fields) > MOST_FIELDS:
        raise OpPrereqError(f"{len(fields)} fields are asked for, more than {MOST_FIELDS}: ask for"
                            " each once", ECODE_INVAL)


def _column(known: Mapping[str, Field[Any]], name: str) -> Field[Any]:
    return known.get(name) or unknown_field(name)


def _listed(head: bytes, rows: Sequence[bytes], tail: bytes) -> list[bytes]:
    """The parts of a JSON list between `head` and `tail`."""
    parts = [head]
    for row in rows:
        parts += (row, b",")
    if rows:
        parts.pop()
    return [*parts, tail]


def _test(
    expression: Expression, access: Callable[[str], Access[Any]]
) -> Callable[[Any], bool] | None:
    return None if expression == EVERYTHING else compile_filter(expression, access)


def _refuse_unknown(columns: Sequence[Field[Any]]) -> None:
    unknown = [found.name for found in columns if found.kind == "unknown"]
    if unknown:
        raise OpPrereqError(
            f"Unknown output fields selected: {', '.join(unknown)}", ECODE_INVAL)


def _values(query: _Query, rows: Sequence[Encoded[Any]]) -> list[list[Any]]:
    _refuse_unknown(query.columns.fields)
    return [[value for _, value in row.cells] for row in rows]
