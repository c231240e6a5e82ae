"""What each LUXI method does: a table from names to handlers of the running master."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Edit
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_STATE,
    GanetiError,
    OpPrereqError,
    RequestError,
)
from ganeti_core.jobs.debts import debt_document
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi import arguments
from ganeti_core.luxi.filter_rules import removal, replacement
from ganeti_core.luxi.protocol import Encoded
from ganeti_core.luxi.threads import Threads
from ganeti_core.opcodes.registry import parse
from ganeti_core.operations import os_schema
from ganeti_core.operations.node_plugins import plugins_of_nodes
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.events import EVENTS
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.alarms import alarms_of
from ganeti_core.query.cache import Shape
from ganeti_core.query.cluster import cluster_info, config_values
from ganeti_core.query.requests import refuse_as_ganeti, unreadable
from ganeti_core.query.spec import spec_document
from ganeti_core.query.tags import tags_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change, Store
    from ganeti_core.jobs.engine import JobEngine
    from ganeti_core.luxi.event_log import EventLog
    from ganeti_core.model import Node
    from ganeti_core.node.tracing import Traces
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.copy_marks import CopyMarks
    from ganeti_core.operations.node_drivers import NodeDrivers
    from ganeti_core.operations.saga import Entry
    from ganeti_core.operations.subscribers import Subscribers
    from ganeti_core.plugin_registry import PluginStatus
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.engine import QueryEngine

LONGEST_WAIT = 600.0
MOST_JOBS = 200_000
"""Ids in one request; all jobs together can be asked for without naming them."""
PORTION = 500

LATEST = 253_402_300_799.0
"""The end of the year 9999: later times cannot be shown as dates."""
MOST_VERSION = 200
"""Characters of a version."""

_METHODS: dict[str, tuple[str, int, int]] = {
    # LUXI name: (handler, fewest arguments, most arguments)
    "SubmitJob": ("submit_job", 1, 1),
    "SubmitJobToDrainedQueue": ("submit_job_to_drained_queue", 1, 1),
    "SubmitManyJobs": ("submit_many_jobs", 1, 1),
    "CancelJob": ("cancel_job", 1, 2),
    "ChangeJobPriority": ("change_job_priority", 2, 2),
    "ArchiveJob": ("archive_job", 1, 1),
    "AutoArchiveJobs": ("auto_archive_jobs", 1, 2),
    "WaitForJobChange": ("wait_for_job_change", 4, 5),
    "Query": ("query", 3, 3),
    "QueryFields": ("query_fields", 1, 2),
    "QueryJobs": ("query_jobs", 2, 2),
    "QueryInstances": ("query_instances", 2, 3),
    "QueryNodes": ("query_nodes", 2, 3),
    "QueryGroups": ("query_groups", 2, 3),
    "QueryNetworks": ("query_networks", 2, 3),
    "QueryExports": ("query_exports", 1, 2),
    "QueryFilters": ("query_filters", 2, 2),
    "QueryRecords": ("query_records", 4, 4),
    "QueryClusterInfo": ("query_cluster_info", 0, 9),
    "QueryConfigValues": ("query_config_values", 1, 1),
    "QuerySpec": ("query_spec", 0, 0),
    "QueryTags": ("query_tags", 2, 2),
    "ReplaceFilter": ("replace_filter", 5, 5),
    "DeleteFilter": ("delete_filter", 1, 1),
    "SetDrainFlag": ("set_drain_flag", 1, 1),
    "SetWatcherPause": ("set_watcher_pause", 1, 1),
    "SetUpgrade": ("set_upgrade", 2, 2),
    "PickupJob": ("pickup_job", 1, 1),
    "PluginStatus": ("plugin_status", 0, 0),
    "NodePlugins": ("node_plugins", 0, 0),
    "TracePlugin": ("trace_plugin", 4, 4),
    "ReloadPlugins": ("reload_plugins", 0, 0),
    "SetPluginEnabled": ("set_plugin_enabled", 3, 3),
    "ReportLeftBehind": ("report_left_behind", 3, 3),
    "Debts": ("debts", 0, 0),
    "RetryDebts": ("retry_debts", 1, 1),
    "ForgetDebts": ("forget_debts", 1, 1),
    "ExplainJob": ("explain_job", 1, 1),
    "WaitForEvents": ("wait_for_events", 1, 2),
    "CollectorReports": ("collector_reports", 2, 2),
    "CollectorAlarms": ("collector_alarms", 1, 1),
    "OpenConsole": ("open_console", 1, 1),
    "NodeEnrolToken": ("node_enrol_token", 0, 1),
    "NodePreflight": ("node_preflight", 0, 0),
}
METHOD_NAMES = frozenset(_METHODS)
"""What clients can ask for."""


def is_harmless(method: str) -> bool:
    """Whether a request only asks, so that it may be ended when nobody waits for its answer."""
    return method.startswith("Query") or method in (
        "WaitForJobChange", "WaitForEvents", "ExplainJob")


_SHOWN = frozenset({
    "PluginStatus", "NodePlugins", "Debts", "CollectorReports", "CollectorAlarms"})


def asks_only(method: str) -> bool:
    """Whether a request changes nothing, and returns nothing that opens a door."""
    return is_harmless(method) or method in _SHOWN


@dataclass(frozen=True)
class Master:
    """The parts of the running master that clients reach.

    :param enrol_token: makes a one-time token for a host that is to become a node, or comes back
    :param preflight: what is asked of a host before it becomes a node
    :param reports: asks a node for the rows of its data collectors, of all without names
    :param reload: looks again for plugins, on all nodes; tells which nodes did not, and why
    :param drivers: what is known of the drivers of nodes
    :param traces: what hooks were called on the master
    :param trace: asks a node what hooks of a plugin were called there
    :param consoles: has the node of an instance, by its name, open its console to one caller
    :param marks: writes down which copies of disks miss something
    """

    store: Store
    engine: JobEngine
    queries: QueryEngine
    host: PluginHost
    events: Subscribers
    enrol_token: Callable[[Node | None], dict[str, Any]]
    preflight: Callable[[], dict[str, Any]]
    reports: Callable[[Node, list[str]], list[dict[str, Any]]]
    reload: Callable[[], dict[str, str]]
    drivers: NodeDrivers
    traces: Traces
    trace: Callable[[Node, dict[str, Any]], Any]
    event_log: EventLog
    marks: CopyMarks
    consoles: Callable[[Snapshot, str], dict[str, Any]]
    threads: Threads = field(default_factory=Threads)
    _switching: asyncio.Lock = field(default_factory=asyncio.Lock)
    _info: list[tuple[Snapshot, Encoded]] = field(default_factory=list)

    async def handle(self, method: str, args: list[Any]) -> Any:
        """Return one request.

        :raises GanetiError: as the method says
        """
        try:
            name, fewest, most = _METHODS[method]
        except KeyError:
            raise RequestError(
                "Failed to parse request: Unable to parse LUXI request method: Invalid string "
                f"value for type LuxiReq: {json.dumps(method)}") from None
        if not fewest <= len(args) <= most:
            raise RequestError(f"Failed to parse request: {method}: expected {fewest} arguments, "
                               f"got {len(args)}: {json.dumps(args)[:200]}")
        handler: Callable[..., Awaitable[Any]] = getattr(self, f"_{name}")
        return await handler(*args)

    # Jobs

    async def _submit_job(self, ops: Any) -> int:
        return (await self.engine.submit([self._parsed("SubmitJob", ops)]))[0]

    async def _submit_job_to_drained_queue(self, ops: Any) -> int:
        job = self._parsed("SubmitJobToDrainedQueue", ops)
        return (await self.engine.submit([job], even_if_drained=True))[0]

    async def _submit_many_jobs(self, jobs: Any) -> list[list[Any]]:
        if not isinstance(jobs, list):
            raise RequestError(arguments.unreadable([jobs], "list"))
        parsed = [self._parsed("SubmitManyJobs", ops) for ops in jobs]
        return [[True, job_id] for job_id in await self.engine.submit(parsed)]

    def _parsed(self, method: str, ops: Any) -> list[OpCode]:
        job = _parse_job(method, ops)
        # A job is written down and shown before anybody runs it.
        os_schema.check_submitted(self.host, self.store.snapshot, job)
        return job

    async def _cancel_job(self, job_id: Any, kill: Any = False) -> tuple[bool, str]:
        return await self.engine.cancel(arguments.job_id(job_id), kill=bool(kill))

    async def _change_job_priority(self, job_id: Any, priority: Any) -> tuple[bool, str]:
        if not isinstance(priority, int) or isinstance(priority, bool):
            raise RequestError(arguments.unreadable([job_id, priority], "Integer"))
        return await self.engine.change_priority(
            arguments.job_id(job_id), max(-20, min(19, priority)))

    async def _archive_job(self, job_id: Any) -> bool:
        return await self.engine.archive(arguments.job_id(job_id))

    async def _auto_archive_jobs(self, age: Any, timeout: Any = 60) -> tuple[int, int]:
        return await self.engine.auto_archive(arguments.number(age), arguments.number(timeout))

    async def _wait_for_job_change(
        self, job_id: Any, fields: Any, previous: Any, log_serial: Any, timeout: Any = LONGEST_WAIT,
    ) -> Any:
        observe = self.queries.job_observer(arguments.names(fields))
        return await self.engine.wait_for_change(
            arguments.job_id(job_id), observe, previous,
            arguments.natural(log_serial or 0, "Integer"),
            min(arguments.number(timeout), LONGEST_WAIT))

    async def _wait_for_events(self, after: Any, timeout: Any = LONGEST_WAIT) -> Any:
        if not isinstance(after, str | None):
            raise RequestError(arguments.unreadable([after], "String"))
        return await self.event_log.since(after, arguments.number(timeout))

    async def _pickup_job(self, _job: Any) -> None:
        raise GanetiError("Luxi call 'PickupJob' is for internal use only")

    async def _explain_job(self, job_id: Any) -> list[str]:
        return self.engine.explain(arguments.job_id(job_id))

    # Queries

    async def _query(self, what: Any, fields: Any, qfilter: Any) -> Any:
        refuse_as_ganeti("Query", what)
        names = arguments.names(fields)
        snapshot = self.store.snapshot
        try:
            if self.queries.needs_thread(what, names, qfilter):
                run = self.threads.read if what == "job" else self.threads.ask_nodes
                parts = await run(
                    self.queries.query_json, snapshot, what, names, qfilter)
            else:
                parts = self.queries.query_json(snapshot, what, names, qfilter)
        except RequestError as exc:
            raise unreadable([what, fields, qfilter], exc) from exc
        return Encoded(parts)

    async def _query_fields(self, what: Any, fields: Any = None) -> Any:
        refuse_as_ganeti("QueryFields", what)
        try:
            return self.queries.fields(what, arguments.names(fields) if fields else None)
        except RequestError as exc:
            raise unreadable([what, fields], exc) from exc

    async def _query_jobs(self, ids: Any, fields: Any) -> Any:
        if not isinstance(ids, list | None):
            raise RequestError(arguments.unreadable([ids, fields], "list"))
        names = arguments.names(fields)
        if not ids:
            return await self.threads.read(self.queries.old_jobs, None, names)
        if len(ids) > MOST_JOBS:
            raise RequestError(f"Failed to parse request: QueryJobs: {len(ids)} jobs are asked for,"
                               f" more than {MOST_JOBS}: ask for some at a time, or for all")
        # In portions, between which it can be ended.
        rows: list[list[Any]] = []
        for first in range(0, len(ids), PORTION):
            wanted = [arguments.job_id(job_id) for job_id in ids[first:first + PORTION]]
            rows += await self.threads.read(self.queries.old_jobs, wanted, names)
        return rows

    async def _query_instances(self, names: Any, fields: Any, locking: Any = False) -> Any:
        return await self._old("instance", names, fields, locking)

    async def _query_nodes(self, names: Any, fields: Any, locking: Any = False) -> Any:
        return await self._old("node", names, fields, locking)

    async def _query_groups(self, names: Any, fields: Any, locking: Any = False) -> Any:
        return await self._old("group", names, fields, locking)

    async def _query_networks(self, names: Any, fields: Any, locking: Any = False) -> Any:
        return await self._old("network", names, fields, locking)

    async def _query_filters(self, names: Any, fields: Any) -> Any:
        return await self._old("filter", names or [], fields, False)

    async def _old(self, what: str, names: Any, fields: Any, locking: Any) -> Any:
        if locking:
            raise OpPrereqError("Sync queries are not allowed", ECODE_INVAL)
        return await self.threads.ask_nodes(
            self.queries.old_style, self.store.snapshot, what, arguments.names(names),
            arguments.names(fields))

    async def _query_exports(self, nodes: Any, locking: Any = False) -> Any:
        if locking:
            raise OpPrereqError("Sync queries are not allowed", ECODE_INVAL)
        return await self.threads.ask_nodes(
            self.queries.exports, self.store.snapshot, arguments.names(nodes))

    async def _query_records(self, what: Any, names: Any, fields: Any, repeated: Any) -> Encoded:
        """Rows as objects, ready to be forwarded; see `query.cache.Shape` for `repeated`."""
        refuse_as_ganeti("QueryRecords", what)
        shape = Shape(tuple(arguments.names(fields)), arguments.repetitions(repeated))
        args = self.store.snapshot, what, arguments.names(names), shape
        if self.queries.needs_thread(what, shape.keys):
            run = self.threads.read if what == "job" else self.threads.ask_nodes
            return Encoded(await run(self.queries.records, *args))
        return Encoded(self.queries.records(*args))

    async def _query_cluster_info(self, *_ignored: Any) -> Encoded:
        # Programs ask for it all the time, and it changes only with the configuration and plugins.
        snapshot = self.store.snapshot
        if not self._info or self._info[0][0] is not snapshot:
            text = json.dumps(cluster_info(snapshot, self.host), separators=(",", ":"))
            self._info[:] = [(snapshot, Encoded([text.encode()]))]
        return self._info[0][1]

    async def _query_config_values(self, names: Any) -> Any:
        return config_values(self.store.snapshot, self.host, arguments.names(names))

    async def _query_spec(self) -> Any:
        return await self.threads.read(spec_document, self.store.snapshot, self.host)

    async def _query_tags(self, kind: Any, name: Any) -> Any:
        return tags_of(self.store.snapshot, kind, name)

    async def _plugin_status(self) -> list[dict[str, Any]]:
        return [asdict(status) for status in (*self.host.status(), *self.events.status())]

    async def _node_plugins(self) -> dict[str, Any]:
        return await self.threads.ask_nodes(
            plugins_of_nodes, self.drivers, self.host, self.store.snapshot.nodes.values())

    async def _collector_reports(self, node: Any, names: Any) -> list[dict[str, Any]]:
        """Ask a node, the master where none is named, for the reports of these collectors."""
        snapshot = self.store.snapshot
        asked = snapshot.master if node is None else snapshot.node(str(node))
        return await self.threads.ask_nodes(self.reports, asked, arguments.names(names))

    async def _collector_alarms(self, names: Any) -> dict[str, Any]:
        """Tell what the collectors of these nodes report as bad."""
        nodes = [self.store.snapshot.node(name) for name in arguments.names(names)]
        return await self.threads.ask_nodes(alarms_of, self.queries.live, nodes)

    async def _open_console(self, name: Any) -> dict[str, Any]:
        (wanted,) = arguments.names([name])
        return await self.threads.ask_nodes(self.consoles, self.store.snapshot, wanted)

    async def _trace_plugin(self, node: Any, kind: Any, name: Any, after: Any) -> Any:
        """What was called since; on the master itself where no node is named."""
        kind, name = arguments.names([kind, name])
        if kind not in KINDS:
            raise OpPrereqError(f"There is no kind of plugins {kind!r}; there are"
                                f" {', '.join(KINDS)}", ECODE_INVAL)
        serial = None if after is None else arguments.natural(after, "Integer")
        if node is None:
            return self.traces.since(f"{kind} {name}", serial)
        found = self.store.snapshot.node(str(node))
        args = {"kind": kind, "name": name, "after": serial}
        return await self.threads.ask_nodes(self.trace, found, args)

    async def _reload_plugins(self) -> dict[str, Any]:
        async with self._switching:
            silent = await self.threads.ask_nodes(self.reload)
            self.drivers.forget()
            self._info.clear()
        return {"plugins": await self._plugin_status(), "nodes": silent}

    async def _debts(self) -> list[dict[str, Any]]:
        return self._described(self.engine.debts.all())

    async def _retry_debts(self, ids: Any) -> list[dict[str, Any]]:
        left = await self.threads.ask_nodes(self.engine.debts.retry, arguments.names(ids))
        return self._described(left)

    async def _forget_debts(self, ids: Any) -> list[dict[str, Any]]:
        gone = await self.threads.ask_nodes(self.engine.debts.forget, arguments.names(ids))
        return self._described(gone)

    def _described(self, debts: Sequence[Entry]) -> list[dict[str, Any]]:
        return [debt_document(entry, self.store.snapshot) for entry in debts]

    # Small changes

    async def _set_drain_flag(self, drained: Any) -> bool:
        if not isinstance(drained, bool):
            raise RequestError(arguments.unreadable([drained], "Bool"))
        await self._commit([Edit(self.store.snapshot.cluster, {"queue_drained": drained})])
        return True

    async def _replace_filter(self, *args: Any) -> str:
        change = replacement(list(args), self.engine.queue.last_id)
        await self._commit([change])
        return change.value.uuid

    async def _delete_filter(self, uuid: Any) -> None:
        await self._commit([removal(uuid, self.store.snapshot)])

    async def _set_watcher_pause(self, until: Any) -> Any:
        pause = None if until is None else arguments.number(until)
        if pause is not None and pause > LATEST:
            raise RequestError(arguments.unreadable([until], "time"))
        await self._commit([Edit(self.store.snapshot.cluster, {"watcher_pause": pause})])
        return pause

    async def _set_upgrade(self, to: Any, keeps_drained: Any) -> bool:
        if not (isinstance(to, str) and len(to) <= MOST_VERSION
                and isinstance(keeps_drained, bool)):
            raise RequestError(arguments.unreadable([to, keeps_drained], "upgrade"))
        await self._commit([Edit(self.store.snapshot.cluster, {
            "upgrade_to": to, "upgrade_keeps_drained": keeps_drained})])
        return True

    async def _set_plugin_enabled(self, kind: Any, name: Any, enabled: Any) -> list[str]:
        """Return what is disabled now, ``KIND:NAME`` each."""
        if not (isinstance(kind, str) and kind in (*KINDS, EVENTS) and isinstance(name, str)
                and isinstance(enabled, bool)):
            raise RequestError(arguments.unreadable([kind, name, enabled], "plugin"))
        # The whole list is written: nobody else may change it between its reading and that.
        async with self._switching:
            return await self._switch_plugin(kind, name, enabled=enabled)

    async def _switch_plugin(self, kind: str, name: str, *, enabled: bool) -> list[str]:
        snapshot, key = self.store.snapshot, f"{kind}:{name}"
        if not enabled or key not in snapshot.cluster.disabled_plugins:
            _check_known([*self.host.status(), *self.events.status()], kind, name)
        if not enabled:
            _check_not_needed(snapshot, kind, name)
        rest = [other for other in snapshot.cluster.disabled_plugins if other != key]
        disabled = tuple(rest if enabled else sorted([*rest, key]))
        await self._commit([Edit(snapshot.cluster, {"disabled_plugins": disabled})])
        await self.threads.change(self.host.obey, disabled)
        self.queries.refresh()
        self._info.clear()
        return list(disabled)

    async def _commit(self, changes: Sequence[Change]) -> None:
        await self.threads.change(self.store.commit, changes)

    async def _report_left_behind(self, disk: Any, copy: Any, by: Any) -> None:
        """Of its own accord a node reports a copy of a disk; by uuids."""
        names = arguments.names([disk, copy, by])
        await self.threads.change(self.marks.report, *names)

    async def _node_enrol_token(self, name: Any = None) -> dict[str, Any]:
        known = self.store.snapshot.node(str(name)) if name else None
        return await self.threads.change(self.enrol_token, known)

    async def _node_preflight(self) -> dict[str, Any]:
        return await self.threads.read(self.preflight)


def _check_known(known: Sequence[PluginStatus], kind: str, name: str) -> None:
    """:raises OpPrereqError: there is no such plugin"""
    if not any((row.kind, row.name) == (kind, name) for row in known):
        raise OpPrereqError(f"There is no plugin {kind}:{name}", ECODE_NOENT)


def _check_not_needed(snapshot: Snapshot, kind: str, name: str) -> None:
    """:raises OpPrereqError: something of the cluster needs the plugin"""
    users = {
        HYPERVISORS.name: {i.name for i in snapshot.instances.values() if i.hypervisor == name},
        DISK_TEMPLATES.name: {d.instance or d.uuid for d in snapshot.disks.values()
                              if d.template == name},
    }.get(kind)
    if users:
        shown = ", ".join(sorted(snapshot.instances[u].name if u in snapshot.instances else u
                                 for u in users)[:3])
        raise OpPrereqError(
            f"The plugin {kind}:{name} is needed by {len(users)} instance(s), such as {shown}:"
            " their guests could not be stopped nor their disks removed", ECODE_STATE)


def _parse_job(method: str, ops: Any) -> list[OpCode]:
    if not isinstance(ops, list):
        raise RequestError(arguments.unreadable([ops], "list"))
    try:
        return [parse(op) for op in ops]
    except RequestError as exc:
        raise RequestError(f"Failed to parse request: {method}: {exc}") from exc
