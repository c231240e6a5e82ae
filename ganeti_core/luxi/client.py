"""The LUXI client: how commands and daemons on the master node ask the master.

One `LuxiClient` holds one connection, opened with the first call, and belongs to one thread.
Nothing is repeated on its own: a request whose answer was lost may have been carried out, and
only the caller knows whether asking again does harm.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import GanetiError, MasterBusy
from ganeti_core.luxi import protocol
from ganeti_core.unix_sockets import short_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from ganeti_core.luxi.job_seen import JobSeen

CALL_TIMEOUT = 60.0
"""Seconds in which the master answers everything but a wait."""
BUSY_SECONDS = 10.0
"""How long to try to connect while too many others do."""
RETRY_TIMEOUT = 3600.0
"""Seconds for calls to nodes that the request itself makes, each as long as its contract allows."""


class NoMasterError(GanetiError):
    """Nobody listens on the master's socket: no cluster, not the master node, or it is down."""

    wire_name = "NoMasterError"

    @property
    def message(self) -> str:
        """A sentence, for who shows it among other words: the argument is the socket alone."""
        first = super().message
        return f"no master daemon answers at {first}" if first.startswith("/") else first


class MasterAccessError(NoMasterError):
    """The socket is there, and this user may not use it."""

    wire_name = "MasterAccessError"

    @property
    def message(self) -> str:
        return f"this user may not ask the master daemon at {self.args[0]}"


class LuxiTimeout(GanetiError):
    """The master accepted the connection and did not answer in time."""

    wire_name = "TimeoutError"


class ConnectionLost(GanetiError):
    """The connection ended before the answer: what was asked may or may not have happened."""

    wire_name = "ConnectionClosedError"


def connect(socket_path: Path, timeout: float) -> socket.socket:
    """Connect to the unix socket at `socket_path`, however long that path is.

    :raises NoMasterError: it does not exist or nobody listens
    :raises MasterBusy: too many others wait to be accepted, for `BUSY_SECONDS`
    :raises MasterAccessError: the permissions forbid it
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(socket_path) as address:
            _connect(sock, address, timeout)
    except PermissionError as exc:
        sock.close()
        raise MasterAccessError(str(socket_path)) from exc
    except TimeoutError as exc:
        sock.close()
        raise LuxiTimeout(f"connect to {socket_path}") from exc
    except BlockingIOError as exc:
        sock.close()
        raise MasterBusy(f"too many clients wait for the master at {socket_path}: try again "
                         "later") from exc
    except OSError as exc:
        sock.close()
        raise NoMasterError(str(socket_path)) from exc
    return sock


def _connect(sock: socket.socket, path: str, timeout: float) -> None:
    """:raises BlockingIOError: the queue of those that wait to be accepted stayed full"""
    until = time.monotonic() + min(timeout, BUSY_SECONDS)
    pause = 0.01
    while True:
        # With a timeout Python's sockets do not block, so a full queue is an error at once.
        sock.settimeout(timeout)
        try:
            return sock.connect(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.5)


class LuxiClient:
    """A connection to the master; every method is one LUXI call.

    Methods raise the typed error that the master answers, `NoMasterError`, `MasterBusy`,
    `LuxiTimeout`, `ConnectionLost`, and `errors.RequestError` when the master did not understand
    the request.
    """

    def __init__(self, socket_path: Path, timeout: float = CALL_TIMEOUT) -> None:
        self._path = socket_path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._buffer = protocol.MessageBuffer()
        self._answers: deque[bytes] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; the next call opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer = protocol.MessageBuffer()
        self._answers.clear()

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        """Ask for `method` and give the result; `timeout` is in seconds without any progress."""
        return protocol.parse_answer(
            self._exchange(method, protocol.encode_request(method, list(args)), timeout))

    def _exchange(self, method: str, request: bytes, timeout: float | None) -> bytes:
        limit = self._timeout if timeout is None else timeout
        if self._socket is None:
            self._socket = connect(self._path, limit)
        try:
            self._socket.settimeout(limit)
            with suppress(BrokenPipeError):
                # It may have said why it closed the connection: that is read below.
                self._socket.sendall(request)
            return self._receive(self._socket)
        except BaseException as exc:
            # Whatever comes later on this connection would answer the wrong question.
            self.close()
            if isinstance(exc, TimeoutError):
                raise LuxiTimeout(f"{method}: no answer in {limit:g} seconds") from exc
            if isinstance(exc, OSError):
                raise ConnectionLost(f"{method}: {exc}") from exc
            raise

    def _receive(self, sock: socket.socket) -> bytes:
        while not self._answers:
            data = sock.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the master closed the connection")
            self._answers.extend(self._buffer.feed(data))
        return self._answers.popleft()

    # Jobs

    def submit_job(self, ops: list[dict[str, Any]]) -> int:
        return int(self.call("SubmitJob", ops))

    def submit_job_to_drained_queue(self, ops: list[dict[str, Any]]) -> int:
        return int(self.call("SubmitJobToDrainedQueue", ops))

    def submit_many_jobs(self, jobs: list[list[dict[str, Any]]]) -> list[tuple[bool, Any]]:
        """Submit several jobs; per job (True, id) or (False, reason)."""
        return [(ok, value) for ok, value in self.call("SubmitManyJobs", jobs)]

    def wait_for_job_change(
        self, job_id: int, seen: JobSeen, *, wait: float
    ) -> list[list[Any]] | None:
        """Wait up to `wait` seconds for what is not `seen` yet, and add it there.

        Return the new entries of the job's log; None where there is no such job.
        """
        answer = self.call("WaitForJobChange", job_id, list(seen.fields), seen.values, seen.serial,
                           wait, timeout=wait + self._timeout)
        return None if answer is None else seen.take(answer)

    def query_jobs(self, job_ids: list[int] | None, fields: list[str]) -> list[Any]:
        return list(self.call("QueryJobs", job_ids, fields))

    def cancel_job(self, job_id: int, kill: bool = False) -> tuple[bool, str]:
        done, message = self.call("CancelJob", job_id, kill)
        return bool(done), str(message)

    def change_job_priority(self, job_id: int, priority: int) -> tuple[bool, str]:
        done, message = self.call("ChangeJobPriority", job_id, priority)
        return bool(done), str(message)

    def archive_job(self, job_id: int) -> bool:
        return bool(self.call("ArchiveJob", job_id))

    def auto_archive_jobs(self, age: int, wait: float = 60.0) -> tuple[int, int]:
        """Archive finished jobs older than `age` seconds (-1: all): (archived, not looked at)."""
        archived, left = self.call("AutoArchiveJobs", age, wait, timeout=wait + self._timeout)
        return int(archived), int(left)

    def set_drain_flag(self, drained: bool) -> bool:
        return bool(self.call("SetDrainFlag", drained))

    def set_watcher_pause(self, until: float | None) -> Any:
        return self.call("SetWatcherPause", until)

    def set_upgrade(self, to: str, *, keeps_drained: bool) -> bool:
        """Write down that an upgrade to a version was begun; empty: that none is under way."""
        return bool(self.call("SetUpgrade", to, keeps_drained))

    def explain_job(self, job_id: int) -> list[str]:
        """Tell in sentences what the job waits for."""
        return list(self.call("ExplainJob", job_id))

    # Queries

    def query(self, what: str, fields: list[str], qfilter: list[Any] | None) -> dict[str, Any]:
        """Give ``{"fields": [...], "data": [[[status, value], ...], ...]}``."""
        return dict(self.call("Query", what, fields, qfilter))

    def query_for_hook(
        self, what: str, fields: list[str], qfilter: list[Any] | None
    ) -> list[list[Any]]:
        """As hooks ask, see `plugin_api.MasterQuery`: values alone, None for what is unknown."""
        if what == "cluster":
            info = self.query_cluster_info()
            return [[info.get(field) for field in fields]]
        return [[value if status == 0 else None for status, value in row]
                for row in self.query(what, fields, qfilter)["data"]]

    def query_fields(self, what: str, fields: list[str] | None) -> dict[str, Any]:
        return dict(self.call("QueryFields", what, fields))

    def query_cluster_info(self) -> dict[str, Any]:
        return dict(self.call("QueryClusterInfo"))

    def query_spec(self) -> dict[str, Any]:
        """The configuration as one document, as files describe it."""
        return dict(self.call("QuerySpec"))

    def query_config_values(self, names: list[str]) -> list[Any]:
        return list(self.call("QueryConfigValues", names))

    def query_instances(self, names: list[str], fields: list[str],
                        use_locking: bool = False) -> list[Any]:
        return list(self.call("QueryInstances", names, fields, use_locking))

    def query_nodes(self, names: list[str], fields: list[str],
                    use_locking: bool = False) -> list[Any]:
        return list(self.call("QueryNodes", names, fields, use_locking))

    def query_groups(self, names: list[str], fields: list[str],
                     use_locking: bool = False) -> list[Any]:
        return list(self.call("QueryGroups", names, fields, use_locking))

    def query_networks(self, names: list[str], fields: list[str],
                       use_locking: bool = False) -> list[Any]:
        return list(self.call("QueryNetworks", names, fields, use_locking))

    def query_exports(self, nodes: list[str], use_locking: bool = False) -> Any:
        return self.call("QueryExports", nodes, use_locking)

    def query_tags(self, kind: str, name: str) -> list[str]:
        return list(self.call("QueryTags", kind, name))

    # Filters

    def query_filters(self, uuids: list[str] | None, fields: list[str]) -> list[Any]:
        return list(self.call("QueryFilters", uuids, fields))

    def replace_filter(self, uuid: str | None, priority: int, predicates: list[Any],
                       action: Any, reason: list[Any]) -> str:
        return str(self.call("ReplaceFilter", uuid, priority, predicates, action, reason))

    def delete_filter(self, uuid: str) -> Any:
        return self.call("DeleteFilter", uuid)

    # What Ganeti does not have

    def set_plugin_enabled(self, kind: str, name: str, enabled: bool) -> list[str]:
        """Enable or disable a plugin on the whole cluster; tell what is disabled now."""
        return list(self.call("SetPluginEnabled", kind, name, enabled))

    def plugin_status(self) -> list[Any]:
        return list(self.call("PluginStatus"))

    def node_plugins(self) -> dict[str, Any]:
        """What plugins the ``master`` has, and each of the ``nodes``."""
        return dict(self.call("NodePlugins"))

    def collector_reports(self, node: str | None, names: Sequence[str]) -> list[dict[str, Any]]:
        """Give the last reports of a node's data collectors; None is the master's node."""
        return list(self.call("CollectorReports", node, list(names)))

    def collector_alarms(self, nodes: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """Tell, by node, what its data collectors report as bad; None where it does not answer."""
        return dict(self.call("CollectorAlarms", list(nodes)))

    def reload_plugins(self) -> dict[str, Any]:
        """Let the master and all nodes look again for plugins.

        :return: ``plugins``: how they are then, as `plugin_status`; ``nodes``: why one did not look
        """
        return dict(self.call("ReloadPlugins", timeout=RETRY_TIMEOUT))

    def trace_plugin(
        self, node: str | None, kind: str, name: str, after: int | None
    ) -> dict[str, Any]:
        """Calls of a plugin's hooks since the serial `after`, None begins; `node` None: of those
        that run on the master, and not on its node.
        """
        return dict(self.call("TracePlugin", node, kind, name, after))

    def report_left_behind(self, disk: str, copy: str, by: str) -> None:
        """Report that a copy of a disk does not follow; see `CopyMarks.report`."""
        self.call("ReportLeftBehind", disk, copy, by)

    def debts(self) -> list[dict[str, Any]]:
        """What earlier jobs left to do on nodes: ``id``, ``node_name``, ``note``, ``reason``..."""
        return list(self.call("Debts"))

    def retry_debts(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Try to pay debts at once; returns those that are still owed."""
        return list(self.call("RetryDebts", list(ids), timeout=RETRY_TIMEOUT))

    def forget_debts(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Give debts up; returns them."""
        return list(self.call("ForgetDebts", list(ids)))

    def node_preflight(self) -> dict[str, Any]:
        """Give what is asked of a host before it becomes a node (`bootstrap.preflight`)."""
        return dict(self.call("NodePreflight"))

    def node_enrol_token(self, name: str | None = None) -> dict[str, Any]:
        """Give a one-time ``token``, and ``ca_fingerprint``, ``master`` and ``master_fingerprint``.

        With the `name` of a node only that node's host may use it, to come back as what it was.
        """
        return dict(self.call("NodeEnrolToken", *([name] if name else [])))
