"""The plugin host: find (stevedore), check, hold, call (pluggy) and isolate plugins.

Each driver has its own `pluggy.PluginManager` that holds its kind's contracts, the one driver and
any wrappers, so a call is checked against the contract and still 1:1. A plugin that breaks on
import or does not keep its contract is remembered in `rejected` and never stops anything else.
"""

from __future__ import annotations

import difflib
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import jsonschema
import pluggy
from jsonschema.validators import validator_for

from ganeti_core.entry_points import Failed, Found, Origins, by_name, log_failure, scan
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError, PluginRejected
from ganeti_core.model import fill
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.events import EVENTS_GROUP, EventsSpec
from ganeti_core.plugin_api.kinds import PROJECT, Kind, Refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

S = TypeVar("S")
WRAPPERS_GROUP = "ganeti.wrappers"
DISABLED = "disabled by the administrator"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginStatus:
    """One plugin as `gnt-cluster plugins` shows it; `problem` is empty when it is healthy.

    `seconds`: what its import and its first description took.
    """

    kind: str
    name: str
    distribution: str
    version: str
    api: int | None
    problem: str = ""
    title: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Loaded:
    manager: pluggy.PluginManager
    description: Description
    distribution: str = ""
    version: str = ""
    from_source: bool = False
    seconds: float = 0.0


@dataclass
class PluginHost:
    """Holds the drivers of every kind. Build one per process and pass it on.

    :param disabled: plugins (``KIND:NAME``) that the administrator does not want; those that are
        named before `load` are not even imported
    """

    rejected: dict[tuple[str, str], PluginStatus] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    _drivers: dict[tuple[str, str], _Loaded] = field(default_factory=dict)
    _sources: dict[str, list[Any]] = field(default_factory=dict)
    _wrappers: dict[str, list[object]] = field(default_factory=dict)
    _origins: Origins | None = None

    def load(self, kinds: Iterable[Kind[Any]] = KINDS.values()) -> None:
        """Find and check every driver and source of `kinds` among the entry points."""
        self._load_wrappers()
        for kind in kinds:
            self._load_drivers(kind)
            for found in scan(kind.sources_group, self._reject_import(kind)):
                self._sources.setdefault(kind.name, []).append(found.extension.obj)

    def _load_drivers(self, kind: Kind[Any], only: str = "") -> None:
        def wanted(name: str) -> bool:
            return name == only if only else not self._is_disabled(kind, name)

        for name, found in by_name(
                scan(kind.group, self._reject_import(kind), wanted)).items():
            self._add_found(kind, name, found)

    def obey(self, disabled: Iterable[str]) -> None:
        """Refuse exactly these plugins (``KIND:NAME``) from now on; load what was not before."""
        before, self.disabled = self.disabled, frozenset(disabled)
        for kind_name, _, name in (key.partition(":") for key in before - self.disabled):
            if kind_name in KINDS and (kind_name, name) not in self._drivers:
                self._load_drivers(KINDS[kind_name], name)

    def _is_disabled(self, kind: Kind[Any], name: str) -> bool:
        return f"{kind.name}:{name}" in self.disabled

    def _load_wrappers(self) -> None:
        for found in scan(WRAPPERS_GROUP, log_failure):
            kind = found.extension.name.partition(":")[0]
            self.wrap(kind, found.extension.obj)

    def wrap(self, kind: str, wrapper: object) -> None:
        """Put `wrapper` (hooks with ``wrapper=True``) around drivers of `kind` added later."""
        self._wrappers.setdefault(kind, []).append(wrapper)

    def _reject_import(self, kind: Kind[Any]) -> Failed:
        def reject(name: str, exc: BaseException) -> None:
            self._reject(kind, name, "", f"cannot be loaded: {type(exc).__name__}: {exc}")

        return reject

    def _add_found(self, kind: Kind[Any], name: str, found: list[Found]) -> None:
        if len(found) > 1:
            # All of them, whoever came first: which one was meant only a person can know.
            origins = ", ".join(name for name, _ in self._origins_of(kind.group, name))
            self._reject(kind, name, origins, f"more than one distribution provides it: {origins}")
            return
        if self.try_add(kind, name, found[0].extension.obj):
            loaded = self._drivers[kind.name, name]
            self._drivers[kind.name, name] = replace(
                loaded, seconds=loaded.seconds + found[0].seconds)

    def try_add(
        self, kind: Kind[Any], name: str, plugin: object, distribution: str = "", version: str = ""
    ) -> bool:
        """Add a driver, or note in `rejected` why not."""
        try:
            self.add(kind, name, plugin, distribution, version)
        except (Exception, SystemExit) as exc:  # noqa: BLE001  # wall: foreign code describes itself
            self._reject(kind, name, distribution, str(exc) or type(exc).__name__)
            return False
        return True

    def _reject(self, kind: Kind[Any], name: str, distribution: str, problem: str) -> None:
        log.warning("plugin %s %s is not used: %s", kind.name, name, problem)
        self.rejected[kind.name, name] = PluginStatus(
            kind.name, name, distribution, "", None, problem)

    def add(
        self, kind: Kind[Any], name: str, plugin: object, distribution: str = "", version: str = ""
    ) -> None:
        """Check `plugin` against the contract of `kind` and hold it as `name`.

        :raises PluginRejected: it does not keep the contract; the message says where
        """
        self._drivers[kind.name, name] = self._checked(kind, name, plugin, distribution, version)
        self.rejected.pop((kind.name, name), None)

    def _checked(
        self, kind: Kind[Any], name: str, plugin: object, distribution: str, version: str
    ) -> _Loaded:
        began = time.perf_counter()
        manager = pluggy.PluginManager(PROJECT)
        for spec in kind.specs:
            manager.add_hookspecs(spec)
        try:
            manager.register(plugin, name=name)
            for wrapper in self._wrappers.get(kind.name, []):
                manager.register(wrapper)
            manager.check_pending()
        except pluggy.PluginValidationError as exc:
            raise PluginRejected(f"{kind.name} {name}: {_misfit(kind, exc)}") from exc
        have = {caller.name for caller in manager.get_hookcallers(plugin) or []}
        if "describe" not in have:
            raise PluginRejected(f"{kind.name} {name}: lacks the hook describe")
        description = manager.hook.describe()
        _check_description(kind, name, description)
        missing = _missing_hooks(kind, description, have)
        if missing:
            raise PluginRejected(f"{kind.name} {name}: lacks the hooks {', '.join(missing)}")
        if absent := kind.hooks().keys() - have:
            manager.register(Refusals(kind, name, absent), name="refusals")
        return _Loaded(manager, description, distribution, version,
                       seconds=time.perf_counter() - began)

    def refresh_sources(self, root: Path, settings: Mapping[str, Any]) -> None:
        """Ask every source again which drivers this node has."""
        for kind_name, sources in self._sources.items():
            kind = KINDS[kind_name]
            for key in [k for k, d in self._drivers.items() if d.from_source and k[0] == kind_name]:
                del self._drivers[key]
            for source in sources:
                self._ask_source(kind, source, root, settings)

    def _ask_source(
        self, kind: Kind[Any], source: Any, root: Path, settings: Mapping[str, Any]
    ) -> None:
        try:
            found = list(source.drivers(root, settings))
        except Exception:  # wall: foreign code
            log.exception("source %s of %s failed", type(source).__name__, kind.name)
            return
        for name, plugin in found:
            if (kind.name, name) in self._drivers:
                continue
            if self.try_add(kind, name, plugin):
                loaded = self._drivers[kind.name, name]
                self._drivers[kind.name, name] = replace(loaded, from_source=True)

    def names(self, kind: Kind[Any]) -> list[str]:
        """The usable drivers of `kind`, sorted."""
        return sorted(name for kind_name, name in self._drivers
                      if kind_name == kind.name and not self._is_disabled(kind, name))

    def has(self, kind: Kind[Any], name: str) -> bool:
        """Tell whether there is such a driver; one that is disabled is there, but refused."""
        return (kind.name, name) in self._drivers

    def is_from_source(self, kind: Kind[Any], name: str) -> bool:
        """Whether a source listed this driver: by now it may list another, or none."""
        loaded = self._drivers.get((kind.name, name))
        return loaded is not None and loaded.from_source

    def driver(self, kind: Kind[S], name: str) -> S:
        """The hook caller of one driver; call its hooks with keywords.

        :raises OpPrereqError: no such driver; says why where the reason is known
        """
        return cast("S", self._loaded(kind, name).manager.hook)

    def describe(self, kind: Kind[Any], name: str) -> Description:
        """:raises OpPrereqError: as `driver`"""
        return self._loaded(kind, name).description

    def offers(self, kind: Kind[Any], name: str) -> frozenset[str]:
        """The hooks that a driver has itself.

        :raises OpPrereqError: as `driver`
        """
        manager = self._loaded(kind, name).manager
        callers = manager.get_hookcallers(manager.get_plugin(name)) or []
        return frozenset(caller.name for caller in callers)

    def _loaded(self, kind: Kind[Any], name: str) -> _Loaded:
        if self._is_disabled(kind, name):
            raise OpPrereqError(f"The {kind.title} '{name}' cannot be used: {DISABLED} "
                                f"(gnt-plugin enable {kind.name}:{name})", ECODE_STATE)
        try:
            return self._drivers[kind.name, name]
        except KeyError:
            if refused := self.rejected.get((kind.name, name)):
                raise OpPrereqError(
                    f"The {kind.title} '{name}' cannot be used: {refused.problem}", ECODE_INVAL
                ) from None
            known = ", ".join(self.names(kind)) or "none"
            raise OpPrereqError(
                f"Unknown {kind.title} '{name}' (there are: {known})", ECODE_INVAL) from None

    def defaults(self, kind: Kind[Any], name: str) -> dict[str, Any]:
        """The driver's parameters with their default values."""
        properties = self.describe(kind, name).parameters.get("properties", {})
        return {key: schema["default"] for key, schema in properties.items() if "default" in schema}

    def check_parameters(self, kind: Kind[Any], name: str, given: Mapping[str, Any]) -> None:
        """Check sparse parameters against the driver's schema.

        :raises OpPrereqError: an unknown name or a value of the wrong form (`ECODE_INVAL`)
        """
        schema = self.describe(kind, name).parameters
        known = schema.get("properties", {})
        for key in given:
            if key not in known and not schema.get("additionalProperties", False):
                raise OpPrereqError(
                    f"Unknown parameter '{key}' for the {kind.title} {name}", ECODE_INVAL)
        filled = fill(self.defaults(kind, name), given)
        for problem in validator_for(schema)(schema).iter_errors(filled):
            path = "/".join(str(part) for part in problem.absolute_path) or "parameters"
            raise OpPrereqError(
                f"Invalid value for '{path}' of the {kind.title} {name}: {problem.message}",
                ECODE_INVAL)

    def status(self) -> list[PluginStatus]:
        """Every plugin, healthy or not, sorted by kind and name."""
        rows = {
            (kind, name): PluginStatus(
                kind, name, loaded.distribution, loaded.version, loaded.description.api_version,
                title=loaded.description.title, seconds=loaded.seconds)
            for (kind, name), loaded in self._drivers.items()
        }
        rows |= self.rejected
        for key in self.disabled:
            kind, _, name = key.partition(":")
            known = rows.get((kind, name)) or PluginStatus(kind, name, "", "", None)
            rows[kind, name] = replace(known, problem=DISABLED)
        sourced = {key for key, loaded in self._drivers.items() if loaded.from_source}
        return [row if key in sourced else self._with_origin(row)
                for key, row in sorted(rows.items())]

    def _with_origin(self, row: PluginStatus) -> PluginStatus:
        """Name the distribution, or all of them where several provide the same name."""
        if row.distribution:
            return row
        found = self._origins_of(f"ganeti.{row.kind}", row.name)
        return replace(row, distribution=", ".join(name for name, _ in found),
                       version=", ".join(version for _, version in found))

    def _origins_of(self, group: str, name: str) -> list[tuple[str, str]]:
        if self._origins is None:
            self._origins = Origins()
        return self._origins.of(group, name)


def _misfit(kind: Kind[Any], exc: pluggy.PluginValidationError) -> str:
    """Say what pluggy found, without the plugin's object, and the hook that may have been meant."""
    text = " ".join(str(exc).partition(" in plugin <")[0].split())
    unknown = text.removeprefix("unknown hook ").strip("'")
    near = difflib.get_close_matches(unknown, kind.hooks(), 1) if unknown != text else []
    return text + (f" (is {near[0]} meant?)" if near else "")


def _missing_hooks(kind: Kind[Any], description: Description, have: set[str]) -> list[str]:
    required = {hook for hook in _hooks_of(kind.spec) if hook not in kind.optional}
    for capability, spec in kind.extensions:
        if capability in description.capabilities:
            required |= _hooks_of(spec)
    return sorted(required - have)


def _hooks_of(spec: type) -> set[str]:
    return {name for name, value in vars(spec).items()
            if not name.startswith("_") and callable(value)}


def _check_description(kind: Kind[Any], name: str, description: object) -> None:
    if not isinstance(description, Description):
        raise PluginRejected(f"{kind.name} {name}: describe() gave no Description")
    version = description.api_version
    if version > kind.api:
        raise PluginRejected(
            f"{kind.name} {name} speaks API {version}, this core {kind.api}: update the core")
    if version < kind.oldest_api:
        raise PluginRejected(
            f"{kind.name} {name} speaks API {version}, the oldest accepted is {kind.oldest_api}: "
            "update the plugin")
    if version < kind.api:
        log.info("plugin %s %s speaks the older API %d", kind.name, name, version)
    schema = description.parameters
    try:
        validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as exc:
        raise PluginRejected(f"{kind.name} {name}: bad parameter schema: {exc.message}") from exc


class Events:
    """Tells every subscriber, each with its own guard: a failure is logged and reaches nobody."""

    def __init__(self) -> None:
        self._managers: list[tuple[str, pluggy.PluginManager]] = []

    def load(self) -> None:
        """Find subscribers among the entry points of ``ganeti.events``."""
        for found in scan(EVENTS_GROUP, log_failure):
            self.add(found.extension.name, found.extension.obj)

    def add(self, name: str, subscriber: object) -> None:
        """:raises pluggy.PluginValidationError: it names events or parameters that do not exist"""
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(EventsSpec)
        manager.register(subscriber, name=name)
        manager.check_pending()
        self._managers.append((name, manager))

    @property
    def anybody(self) -> bool:
        """Whether there is a subscriber at all."""
        return bool(self._managers)

    def tell(self, event: str, **arguments: Any) -> None:
        """Deliver one event; never raises because of a subscriber."""
        for name, manager in self._managers:
            try:
                getattr(manager.hook, event)(**arguments)
            except Exception:  # wall: foreign code
                log.exception("subscriber %s failed on %s", name, event)
