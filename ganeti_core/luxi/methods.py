"""What each LUXI method does: a table from names to handlers of the running master."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
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
from ganeti_core.luxi import arguments
from ganeti_core.luxi.filter_rules import removal, replacement
from ganeti_core.luxi.protocol import Raw
from ganeti_core.opcodes.registry import parse
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.cluster import cluster_info, config_values
from ganeti_core.query.requests import refuse_as_peer, unreadable
from ganeti_core.query.tags import tags_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change, Store
    from ganeti_core.jobs.engine import JobEngine
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.engine import QueryEngine

LONGEST_WAIT = 600.0

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
    "QueryClusterInfo": ("query_cluster_info", 0, 9),
    "QueryConfigValues": ("query_config_values", 1, 1),
    "QueryTags": ("query_tags", 2, 2),
    "ReplaceFilter": ("replace_filter", 5, 5),
    "DeleteFilter": ("delete_filter", 1, 1),
    "SetDrainFlag": ("set_drain_flag", 1, 1),
    "SetWatcherPause": ("set_watcher_pause", 1, 1),
    "PickupJob": ("pickup_job", 1, 1),
    "PluginStatus": ("plugin_status", 0, 0),
    "SetPluginEnabled": ("set_plugin_enabled", 3, 3),
    "Debts": ("debts", 0, 0),
    "ExplainJob": ("explain_job", 1, 1),
    "NodeEnrolToken": ("node_enrol_token", 0, 1),
}


@dataclass(frozen=True)
class Master:
    """The parts of the running master that clients reach.

    :param enrol_token: makes a one-time token for a host that is to become a node, or comes back
    """

    store: Store
    engine: JobEngine
    queries: QueryEngine
    host: PluginHost
    enrol_token: Callable[[Node | None], dict[str, Any]]
    _switching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def handle(self, method: str, args: list[Any]) -> Any:
        """Answer one request.

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
        return (await self.engine.submit([_parse_job("SubmitJob", ops)]))[0]

    async def _submit_job_to_drained_queue(self, ops: Any) -> int:
        job = _parse_job("SubmitJobToDrainedQueue", ops)
        return (await self.engine.submit([job], even_if_drained=True))[0]

    async def _submit_many_jobs(self, jobs: Any) -> list[list[Any]]:
        if not isinstance(jobs, list):
            raise RequestError(arguments.unreadable([jobs], "list"))
        parsed = [_parse_job("SubmitManyJobs", ops) for ops in jobs]
        return [[True, job_id] for job_id in await self.engine.submit(parsed)]

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

    async def _pickup_job(self, _job: Any) -> None:
        raise GanetiError("Luxi call 'PickupJob' is for internal use only")

    async def _explain_job(self, job_id: Any) -> list[str]:
        return self.engine.explain(arguments.job_id(job_id))

    # Queries

    async def _query(self, what: Any, fields: Any, qfilter: Any) -> Any:
        refuse_as_peer("Query", what)
        names = arguments.names(fields)
        snapshot = self.store.snapshot
        try:
            if self.queries.needs_thread(what, names, qfilter):
                text = await asyncio.to_thread(
                    self.queries.query_json, snapshot, what, names, qfilter)
            else:
                text = self.queries.query_json(snapshot, what, names, qfilter)
        except RequestError as exc:
            raise unreadable([what, fields, qfilter], exc) from exc
        return Raw(text.encode())

    async def _query_fields(self, what: Any, fields: Any = None) -> Any:
        refuse_as_peer("QueryFields", what)
        try:
            return self.queries.fields(what, arguments.names(fields) if fields else None)
        except RequestError as exc:
            raise unreadable([what, fields], exc) from exc

    async def _query_jobs(self, ids: Any, fields: Any) -> Any:
        if not isinstance(ids, list | None):
            raise RequestError(arguments.unreadable([ids, fields], "list"))
        wanted = [arguments.job_id(job_id) for job_id in ids] if ids else None
        return await asyncio.to_thread(self.queries.old_jobs, wanted, arguments.names(fields))

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
        return await asyncio.to_thread(
            self.queries.old_style, self.store.snapshot, what, arguments.names(names),
            arguments.names(fields))

    async def _query_exports(self, nodes: Any, locking: Any = False) -> Any:
        if locking:
            raise OpPrereqError("Sync queries are not allowed", ECODE_INVAL)
        return await asyncio.to_thread(
            self.queries.exports, self.store.snapshot, arguments.names(nodes))

    async def _query_cluster_info(self, *_ignored: Any) -> Any:
        return cluster_info(self.store.snapshot, self.host)

    async def _query_config_values(self, names: Any) -> Any:
        return config_values(self.store.snapshot, arguments.names(names))

    async def _query_tags(self, kind: Any, name: Any) -> Any:
        return tags_of(self.store.snapshot, kind, name)

    async def _plugin_status(self) -> list[dict[str, Any]]:
        return [asdict(status) for status in self.host.status()]

    async def _debts(self) -> list[dict[str, Any]]:
        return [{"job": e.job, "node": e.node, "note": e.note, "reason": e.debt}
                for e in self.engine.debts.all()]

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
        await self._commit([Edit(self.store.snapshot.cluster, {"watcher_pause": pause})])
        return pause

    async def _set_plugin_enabled(self, kind: Any, name: Any, enabled: Any) -> list[str]:
        """Answers what is disabled now, ``KIND:NAME`` each."""
        if not (isinstance(kind, str) and kind in KINDS and isinstance(name, str)
                and isinstance(enabled, bool)):
            raise RequestError(arguments.unreadable([kind, name, enabled], "plugin"))
        # The whole list is written: nobody else may change it between its reading and that.
        async with self._switching:
            return await self._switch_plugin(kind, name, enabled=enabled)

    async def _switch_plugin(self, kind: str, name: str, *, enabled: bool) -> list[str]:
        snapshot, key = self.store.snapshot, f"{kind}:{name}"
        if not enabled:
            _check_not_needed(snapshot, self.host, kind, name)
        rest = [other for other in snapshot.cluster.disabled_plugins if other != key]
        disabled = tuple(rest if enabled else sorted([*rest, key]))
        await self._commit([Edit(snapshot.cluster, {"disabled_plugins": disabled})])
        await asyncio.to_thread(self.host.obey, disabled)
        self.queries.refresh()
        return list(disabled)

    async def _commit(self, changes: Sequence[Change]) -> None:
        await asyncio.to_thread(self.store.commit, changes)

    async def _node_enrol_token(self, name: Any = None) -> dict[str, Any]:
        known = self.store.snapshot.node(str(name)) if name else None
        return await asyncio.to_thread(self.enrol_token, known)


def _check_not_needed(snapshot: Snapshot, host: PluginHost, kind: str, name: str) -> None:
    """:raises OpPrereqError: there is no such plugin, or something of the cluster needs it"""
    if not any((row.kind, row.name) == (kind, name) for row in host.status()):
        raise OpPrereqError(f"There is no plugin {kind}:{name}", ECODE_NOENT)
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
