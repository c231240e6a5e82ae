"""Runs the node's data collectors at their intervals, and keeps the last report of each.

Each call runs in a worker process with a deadline, and at most one of a collector at a time: one
that fails, hangs or returns rubbish has that in its own report and delays no other. What a
collector wants to remember, and its last report, are in a file, so that a restart loses neither.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import ECODE_NOENT, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.published import Published, publish, withdraw
from ganeti_core.node.running import RunningCall
from ganeti_core.node.world import UNHEARD
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.collector import COLLECTORS, LARGEST_STATE, problem_of_samples
from ganeti_core.plugin_api.data import Collected, Report
from ganeti_core.readable import readable
from ganeti_core.rpc.atomic import write_atomically
from ganeti_core.rpc.wire import unwrap

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.node.workers import Workers
    from ganeti_core.node.world import Asked, World
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.data import Description

log = logging.getLogger(__name__)

CONFIGURED = "data_collectors"
SETTINGS = "hook_settings"
FOLLOWED = frozenset({CONFIGURED, SETTINGS})
"""The ssconf files, JSON both, from which this node knows what runs and with which settings."""
UNKNOWN, BAD = 2, 4
"""Status codes: of a collector that could not say how things stand; somebody must look at it."""
MESSAGE = 1000
"""Characters of an error that reach the report."""
PATIENCE = 8
"""A collector that used all of its time is asked again after up to so many intervals."""
STOP_SECONDS = 5.0
RETRY_SECONDS = 5.0
"""After the node could not even begin to ask."""
MINUTE = 60_000_000_000
FIRST = 0.1
"""The part of its interval after which a collector that has reported nothing yet is asked first: a
node has better to do while it starts than to ask all of them at once, the slow ones too."""


def folder(paths: Paths) -> Path:
    """Where states and reports are kept."""
    return paths.data / "collectors"


@dataclass(frozen=True)
class _Setting:
    """How one collector is to run; `interval` in seconds."""

    description: Description
    active: bool
    interval: float


@dataclass
class _Collector:
    """One collector: how it is to run, what it said last, whether it runs now."""

    name: str
    setting: _Setting
    file: Path
    report: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    samples: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    late: int = 0
    due: float = 0.0
    kept: tuple[Any, ...] = ()
    """State, error, data and minute of what the file has."""
    running: RunningCall | None = None

    @classmethod
    def found(cls, name: str, setting: _Setting, file: Path) -> Self:
        """Take up what was kept before the daemon started; a damaged file counts for nothing."""
        made = cls(name, setting, file)
        try:
            kept = json.loads(file.read_text())
            state, report, made.error = kept["state"], kept["report"], str(kept["error"])
            made.state = state if isinstance(state, dict) else None
            made.report = report if isinstance(report, dict) else None
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as exc:
            log.warning("collector %s begins anew, %s cannot be read: %s", name, file, exc)
        return made

    def begin(self) -> None:
        """Set when it is asked first: as if the daemon had run since the report that was kept."""
        interval = self.setting.interval
        age = time.time() - (self.report or {}).get("timestamp", 0) / 1e9
        rest = interval - age if 0 <= age < interval else FIRST * interval
        self.due = time.monotonic() + rest

    def keep(self) -> None:
        """Write what a restart is not to lose; a report that says nothing new waits a minute."""
        stamp = (self.report or {}).get("timestamp", 0)
        keeping = (self.state, self.error, (self.report or {}).get("data"), stamp // MINUTE)
        if keeping == self.kept:
            return
        text = json.dumps({"report": self.report, "state": self.state, "error": self.error})
        try:
            self.file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            # After a power failure the counters begin anew anyway: not worth a sync.
            write_atomically(self.file, text.encode(), 0o600, durable=False)
            self.kept = keeping
        except OSError as exc:
            log.warning("collector %s: its state cannot be kept: %s", self.name, exc)

    @property
    def published(self) -> Published:
        described = self.setting.description
        return Published(
            self.name, described.category, described.report_kind, self.setting.interval,
            self.report, self.error, described.metrics, self.samples)

    def row(self) -> dict[str, Any]:
        """What ``node.collectors`` returns of it."""
        described = self.setting.description
        return {
            "name": self.name, "category": described.category or None,
            "kind": described.report_kind, "interval": self.setting.interval,
            "active": self.setting.active, "report": self.report, "error": self.error}


@dataclass
class Collecting:
    """All collectors of a node; methods may be used from any thread.

    :param limit: seconds that one call may take
    """

    world: World
    workers: Workers
    limit: float = COLLECTORS.hook_where("collect").timeout
    _collectors: dict[str, _Collector] = field(default_factory=dict)
    _settings: dict[str, Any] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stale: bool = True
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="collecting", daemon=True)

    def start(self) -> None:
        """Begin; nothing runs before the cluster's settings are known here."""
        self._thread.start()

    def stop(self) -> None:
        """End all calls under way."""
        with self._changed:
            self._stopping = True
            for one in self._collectors.values():
                if one.running is not None:
                    one.running.end()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def settings_changed(self) -> None:
        """Read the settings again, and see which collectors there are."""
        with self._changed:
            self._stale = True
            self._changed.notify_all()

    def reports(self, names: list[str]) -> list[dict[str, Any]]:
        """Return a row per collector of this node, or of `names`.

        :raises OpPrereqError: there is none of that name
        """
        with self._changed:
            if self._stale:
                self._read_settings()
            for name in names:
                if name not in self._collectors:
                    there = ", ".join(sorted(self._collectors)) or "none"
                    raise OpPrereqError(
                        f"{self.world.local.identity.name} has no data collector '{name}' (there "
                        f"are: {there})", ECODE_NOENT)
            return [self._collectors[name].row() for name in names or sorted(self._collectors)]

    def alarms(self) -> dict[str, str]:
        """What active collectors report as bad, by their names.

        One that could not report says nothing of the node: its own report says why.
        """
        with self._changed:
            return {one.name: message for one in self._collectors.values()
                    if one.setting.active and (message := _alarm(one.report))}

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                try:
                    self._begin()
                    rest = self._rest()
                except Exception:  # wall: the loop outlives whatever it met, such as a full machine
                    log.exception("collectors could not be started")
                    self._stale, rest = True, RETRY_SECONDS
                self._changed.wait(rest)

    def _begin(self) -> None:
        """Start the calls that are due."""
        if self._stale:
            self._read_settings()
        for one in self._due():
            call = RunningCall(f"collector {one.name}", time.monotonic() + self.limit)
            thread = threading.Thread(target=self._collect, args=(one, call), daemon=True,
                                      name=f"collect-{one.name}")
            one.running = call
            try:
                thread.start()
            except RuntimeError:
                one.running = None
                raise

    def _due(self) -> list[_Collector]:
        now = time.monotonic()
        return [one for one in self._collectors.values()
                if one.setting.active and one.running is None and one.due <= now]

    def _rest(self) -> float | None:
        waiting = [one.due for one in self._collectors.values()
                   if one.setting.active and one.running is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _read_settings(self) -> None:
        """Take what the cluster says now; the collectors themselves are those of this process."""
        self._stale = False
        drivers = {name: description for kind, name, description in self.world.drivers()
                   if kind is COLLECTORS}
        for name in self._collectors.keys() - drivers.keys():
            gone = self._collectors.pop(name)
            if gone.running is not None:
                gone.running.end()
        paths = self.world.local.paths
        configured = _read(paths.ssconf / f"ssconf_{CONFIGURED}")
        settings = _read(paths.ssconf / f"ssconf_{SETTINGS}")
        known = configured is not None and settings is not None
        self._settings = settings or {}
        disabled = self._settings.get("disabled_plugins", ())
        for name, description in drivers.items():
            given = (configured or {}).get(name, {})
            setting = _Setting(
                description, known and given.get("active", True) is not False
                and f"{COLLECTORS.name}:{name}" not in disabled,
                given.get("interval", 0) / 1e6 or description.interval)
            if (one := self._collectors.get(name)) is None:
                one = _Collector.found(name, setting, folder(paths) / f"{name}.json")
                self._collectors[name] = one
            elif one.setting != setting:
                one.setting = setting
            else:
                continue
            one.begin()
            self._publish(one)
        try:
            withdraw(paths.reports, {one.name for one in self._collectors.values()
                                     if one.setting.active})
        except OSError as exc:
            log.warning("old reports cannot be removed from %s: %s", paths.reports, exc)

    def _publish(self, one: _Collector) -> None:
        """Let the monitoring daemon see the newest report."""
        if not one.setting.active:
            return
        reports = self.world.local.paths.reports
        try:
            publish(reports, one.published)
        except OSError as exc:
            log.warning("the report of %s cannot be written to %s: %s", one.name, reports, exc)

    def _collect(self, one: _Collector, call: RunningCall) -> None:
        began, error, collected = time.monotonic(), "", None
        try:
            collected = self._ask(one, call)
        except GanetiError as exc:
            error = readable(str(exc), MESSAGE)
        except Exception as exc:  # wall: one collector's trouble is not that of the others
            log.exception("collector %s", one.name)
            error = f"{type(exc).__name__}: {exc}"
        with self._changed:
            if self._stopping or self._collectors.get(one.name) is not one:
                return
            if error and error != one.error:
                log.warning("collector %s: %s", one.name, error)
            one.late = one.late + 1 if error and not call.left else 0
            one.due = began + one.setting.interval * min(2 ** one.late, PATIENCE)
            one.error = error
            one.running = None
            self._changed.notify_all()
            if collected is not None:
                one.state = collected.state
            one.report = _document(one, collected.report if collected else _failed(error))
            one.samples = collected.report.samples if collected else {}
            try:
                one.keep()
                self._publish(one)
            except Exception:  # wall: it is asked again, and the report may reach others then
                log.exception("the report of collector %s could not be kept", one.name)

    def _ask(self, one: _Collector, call: RunningCall) -> Collected:
        """:raises GanetiError: it failed, or returned what cannot be used"""
        request = HookRequest(COLLECTORS.name, one.name, "collect", {"previous": one.state},
                              self._settings)
        envelope = self.workers.run(request, call, lambda line: log.debug("%s", line))
        try:
            collected: Collected = codec.decode(Collected, unwrap(envelope))
        except TypeError as exc:
            raise OpExecError(f"{request.title} returned what is {exc}") from exc
        _check(request.title, one.setting.description, collected)
        return collected


def by_hand(world: World, name: str, asked: Asked = UNHEARD) -> dict[str, Any]:
    """Run a collector in this process, with the history that is kept; nothing is kept of it.

    :raises GanetiError: there is none of that name, it failed, or returned what cannot be used
    """
    paths = world.local.paths
    settings = _read(paths.ssconf / f"ssconf_{SETTINGS}") or {}
    if not world.host.has(COLLECTORS, name):
        there = ", ".join(world.host.names(COLLECTORS)) or "none"
        raise OpPrereqError(f"There is no data collector '{name}' (there are: {there})",
                            ECODE_NOENT)
    description = world.host.describe(COLLECTORS, name)
    one = _Collector.found(name, _Setting(description, True, description.interval),
                           folder(paths) / f"{name}.json")
    collected: Collected = world.hooks(COLLECTORS, name, settings).collect(
        ctx=world.context(COLLECTORS.name, name, settings, asked), previous=one.state)
    _check(f"collector {name}", description, collected)
    return _document(one, collected.report)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        log.warning("%s cannot be read: %s", file, exc)
        return None
    return found if isinstance(found, dict) else None


def _check(title: str, description: Description, collected: Collected) -> None:
    """:raises OpExecError: the report or the state cannot be kept or shown"""
    data = collected.report.data
    if not isinstance(data, dict | list):
        raise OpExecError(f"{title} returned data that are no JSON object or list: {data!r:.100}")
    if description.report_kind == 1:
        match data:
            case {"status": {"code": int(), "message": str()}}:
                pass
            case _:
                raise OpExecError(f"{title} is a status collector, and its data have no status "
                                  "with a code and a message")
    if problem := problem_of_samples(description, collected.report):
        raise OpExecError(f"{title}: {problem}")
    for what, value in (("data", data), ("a state", collected.state),
                        ("samples", collected.report.samples)):
        if (size := len(json.dumps(value))) > LARGEST_STATE:
            raise OpExecError(f"{title} returned {what} of {size} bytes, {LARGEST_STATE} may be")


def _alarm(report: dict[str, Any] | None) -> str:
    match report:
        case {"data": {"status": {"code": int(code), "message": str(message)}}} if code == BAD:
            return message or "it is bad"
    return ""


def _failed(error: str) -> Report:
    return Report({"status": {"code": UNKNOWN, "message": error}})


def _document(one: _Collector, report: Report) -> dict[str, Any]:
    """The report in Ganeti's form; the time is in nanoseconds."""
    described = one.setting.description
    return {"name": one.name, "version": report.version, "format_version": report.format_version,
            "timestamp": time.time_ns(), "category": described.category or None,
            "kind": described.report_kind, "data": report.data}
