"""The plugin host: find (stevedore), check, hold, call (pluggy) and isolate plugins.

Each driver has its own `pluggy.PluginManager` that holds its kind's contracts, the one driver and
any wrappers, so a call is checked against the contract and still 1:1. A plugin that breaks on
import or does not keep its contract is remembered in `rejected` and never stops anything else.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy
from jsonschema.validators import validator_for

from ganeti_core.entry_points import (
    Entry,
    Failed,
    Found,
    Origins,
    by_name,
    foreign_names,
    log_failure,
    scan,
)
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError, PluginRejected
from ganeti_core.model import fill
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.events import EVENTS_GROUP
from ganeti_core.plugin_api.kinds import Kind, StandIns
from ganeti_core.plugin_api.sources import Unusable
from ganeti_core.plugin_changes import Provided
from ganeti_core.plugin_checks import (
    HookManager,
    check_description,
    check_name,
    check_settings,
    misfit,
    missing_hooks,
    register,
)
from ganeti_core.plugin_files import FOLDER, PluginFiles
from ganeti_core.plugin_files import GROUP as FILE
from ganeti_core.plugin_trial import try_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.plugin_api.data import Description

S = TypeVar("S")
WRAPPERS_GROUP = "ganeti.wrappers"
ELSEWHERE = (WRAPPERS_GROUP, EVENTS_GROUP)
"""Groups of which it is only noticed that something has changed: wrappers stay as they are, and
others call subscribers."""
DISABLED = "disabled by the administrator"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginStatus:
    """One plugin as `gnt-plugin list` shows it; `problem` is empty when it is healthy.

    `seconds`: what its import and its first description took. `note`: what is odd, but does no
    harm.
    """

    kind: str
    name: str
    distribution: str
    version: str
    api: int | None
    problem: str = ""
    title: str = ""
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class _Loaded:
    manager: pluggy.PluginManager
    description: Description
    distribution: str = ""
    version: str = ""
    from_source: bool = False
    foreign: bool = False
    seconds: float = 0.0
    note: str = ""

    def is_as(self, name: str, plugin: object, origin: str) -> bool:
        """Whether this driver, held as `name`, can stand for `plugin`, which was found now.

        To check a driver takes many times longer than to ask what it says of itself.
        """
        held: object = self.manager.get_plugin(name)
        try:
            return (self.distribution == origin and type(held) is type(plugin)
                    and bool(held == plugin)
                    and self.description == self.manager.hook.describe())
        except (Exception, SystemExit):  # noqa: BLE001  # wall: what it does is said when it is added
            return False


@dataclass(frozen=True)
class _Source:
    """Lists drivers; `entry`: group and name of its entry point."""

    entry: Entry
    obj: Any
    foreign: bool


@dataclass
class PluginHost:
    """Holds the drivers of every kind. Build one per process and pass it on.

    :param disabled: plugins (``KIND:NAME``) that the administrator does not want; those that are
        named before `load` are not even imported
    """

    rejected: dict[tuple[str, str], PluginStatus] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    trial: bool = True
    """Whether files are tried out in another process first; a process that may be killed need not.
    """
    wrap_each: Callable[[Kind[Any], str], object] | None = None
    """Makes a wrapper for each driver, by its name."""
    _drivers: dict[tuple[str, str], _Loaded] = field(default_factory=dict)
    _sources: dict[str, list[_Source]] = field(default_factory=dict)
    _wrappers: dict[str, list[object]] = field(default_factory=dict)
    _origins: Origins | None = None
    _unusable: set[tuple[str, str]] = field(default_factory=set)
    """What sources listed last and said cannot be used: kind and name."""
    _failed_trial: set[Entry] = field(default_factory=set)
    _kinds: frozenset[str] = frozenset()
    _files: PluginFiles = field(default_factory=PluginFiles)
    _provided: Provided = field(default_factory=Provided)

    def load(self, kinds: Iterable[Kind[Any]] = KINDS.values(), *, trial: bool = True) -> None:
        """Find and check every driver and source of `kinds` among the entry points.

        :param trial: try foreign ones out in another process first; what hangs there or ends it is
            not loaded here
        """
        chosen = list(kinds)
        self._kinds = frozenset(kind.name for kind in chosen)
        if trial:
            self._try_out([
                (WRAPPERS_GROUP, name) for name in foreign_names(WRAPPERS_GROUP)])
            self._try_out([
                (group, name) for kind in chosen for group in (kind.group, kind.sources_group)
                for name in foreign_names(group) if not self._is_disabled(kind, name)])
        self._load_wrappers()
        for kind in chosen:
            self._load_drivers(kind)
            self._load_sources(kind, self._passed(kind.sources_group))
        self._provided.remember(self._groups)

    def _load_sources(self, kind: Kind[Any], wanted: Callable[[str], bool]) -> None:
        for found in scan(kind.sources_group, self._reject_import(kind), wanted):
            self._sources.setdefault(kind.name, []).append(_Source(
                (kind.sources_group, found.extension.name), found.extension.obj,
                found.is_foreign))

    @property
    def _groups(self) -> list[str]:
        """The groups of entry points that are looked at."""
        return [*ELSEWHERE, *(
            group for kind in KINDS.values() if kind.name in self._kinds
            for group in (kind.group, kind.sources_group))]

    def refresh_distributions(self) -> bool:
        """Look again at what distributions provide: load what is new, import anew what has changed,
        drop what has gone; tells whether there was anything.

        Wrappers stay as they were when this process started. Others may use drivers meanwhile, as
        in `refresh_sources`.
        """
        changes = self._provided.look(self._groups, self._holds)
        self._origins = None
        for group, name in (*changes.gone, *changes.fresh):
            self._sources = {kind: [one for one in sources if one.entry != (group, name)]
                             for kind, sources in self._sources.items()}
        fresh = [entry for entry in changes.fresh if entry[0] not in ELSEWHERE]
        self._failed_trial.difference_update(changes.gone, fresh)
        self._try_out(fresh)
        for kind in (kind for kind in KINDS.values() if kind.name in self._kinds):
            for name in (name for group, name in changes.gone if group == kind.group):
                self._drop(kind, name)
            for name in (name for group, name in fresh if group == kind.group):
                self._replace(kind, name)
            self._load_sources(kind, {name for group, name in fresh if group == kind.sources_group
                                      and (group, name) not in self._failed_trial}.__contains__)
        self._provided.remember(self._groups)
        return bool(changes)

    def _holds(self, entry: Entry) -> bool:
        """Whether an entry point is as it should be: loaded, or not wanted."""
        group, name = entry
        if group in ELSEWHERE:
            return True
        kind = next(kind for kind in KINDS.values() if group in (kind.group, kind.sources_group))
        if group == kind.sources_group:
            return any(one.entry == entry for one in self._sources.get(kind.name, ()))
        return (kind.name, name) in self._drivers or self._is_disabled(kind, name)

    def _replace(self, kind: Kind[Any], name: str) -> None:
        """Load a driver anew; the one before is dropped if it cannot be used."""
        before = self._drivers.get((kind.name, name))
        if not self._is_disabled(kind, name) and (kind.group, name) not in self._failed_trial:
            self._load_drivers(kind, name)
        if before is not None and self._drivers.get((kind.name, name)) is before:
            rejected = self.rejected.get((kind.name, name))
            self._drop(kind, name)
            if rejected is not None:
                self.rejected[kind.name, name] = rejected

    def _drop(self, kind: Kind[Any], name: str) -> None:
        self._drivers = {key: loaded for key, loaded in self._drivers.items()
                         if key != (kind.name, name)}
        self.rejected.pop((kind.name, name), None)

    def _hold(self, key: tuple[str, str], loaded: _Loaded) -> None:
        # A new mapping each time: whoever goes through the old one is not disturbed.
        self._drivers = {**self._drivers, key: loaded}

    def _try_out(self, entries: list[Entry]) -> None:
        for (group, name), problem in try_out(entries).items():
            self._failed_trial.add((group, name))
            kind = next((kind for kind in KINDS.values() if group == kind.group), None)
            if kind is not None:
                self._reject(kind, name, "", problem)
            else:
                log.error("%s %s is not used: %s", group, name, problem)

    def _passed(self, group: str) -> Callable[[str], bool]:
        return lambda name: (group, name) not in self._failed_trial

    def _load_drivers(self, kind: Kind[Any], only: str = "") -> None:
        passed = self._passed(kind.group)

        def wanted(name: str) -> bool:
            return passed(name) and (
                name == only if only else not self._is_disabled(kind, name))

        for name, found in by_name(
                scan(kind.group, self._reject_import(kind), wanted)).items():
            self._add_found(kind, name, found)

    def obey(self, disabled: Iterable[str]) -> None:
        """Refuse exactly these plugins (``KIND:NAME``) from now on; load what was not before."""
        before, self.disabled = self.disabled, frozenset(disabled)
        for kind_name, _, name in (key.partition(":") for key in before - self.disabled):
            if kind_name in KINDS and (kind_name, name) not in self._drivers:
                kind = KINDS[kind_name]
                if name in foreign_names(kind.group):
                    self._try_out([(kind.group, name)])
                self._load_drivers(kind, name)

    def _is_disabled(self, kind: Kind[Any], name: str) -> bool:
        return f"{kind.name}:{name}" in self.disabled

    def _load_wrappers(self) -> None:
        for found in scan(WRAPPERS_GROUP, log_failure, self._passed(WRAPPERS_GROUP)):
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
            loaded, shadows = self._drivers[kind.name, name], found[0].shadows
            note = f"{', '.join(shadows)} provides it, too, and is not used" if shadows else ""
            if note:
                log.warning("plugin %s %s: %s", kind.name, name, note)
            self._hold((kind.name, name), replace(
                loaded, seconds=loaded.seconds + found[0].seconds, note=note,
                foreign=found[0].is_foreign))

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
        self._hold((kind.name, name), self._checked(kind, name, plugin, distribution, version))
        self.rejected.pop((kind.name, name), None)

    def _checked(
        self, kind: Kind[Any], name: str, plugin: object, distribution: str, version: str
    ) -> _Loaded:
        began = time.perf_counter()
        check_name(name)
        manager = HookManager()
        for spec in kind.specs:
            manager.add_hookspecs(spec)
        try:
            have = register(manager, name, plugin, [
                *self._wrappers.get(kind.name, ()),
                *([self.wrap_each(kind, name)] if self.wrap_each is not None else [])])
        except pluggy.PluginValidationError as exc:
            raise PluginRejected(f"{kind.name} {name}: {misfit(kind.hooks(), exc)}") from exc
        if "describe" not in have:
            raise PluginRejected(f"{kind.name} {name}: lacks the hook describe")
        try:
            description = manager.hook.describe()
        except (Exception, SystemExit) as exc:  # wall: foreign code describes itself
            raise PluginRejected(
                f"{kind.name} {name}: describe() raised {type(exc).__name__}: {exc}") from exc
        check_description(kind, name, description)
        check_settings(kind, name, description, (
            (" ".join(key), loaded.description) for key, loaded in self._drivers.items()
            if key != (kind.name, name)))
        missing = missing_hooks(kind, description, have)
        if missing:
            raise PluginRejected(f"{kind.name} {name}: lacks the hooks {', '.join(missing)}")
        if absent := kind.hooks().keys() - have:
            manager.register(StandIns(kind, name, absent), name="stand_ins")
        return _Loaded(manager, description, distribution, version,
                       seconds=time.perf_counter() - began)

    def search_path(self, kind: Kind[Any], settings: Mapping[str, Any]) -> list[str]:
        """The folders in which the sources of `kind` look for drivers; `settings` as for hooks."""
        folders: list[str] = []
        for source in self._sources.get(kind.name, ()):
            try:
                folders += map(str, source.obj.search_path(settings))
            except AttributeError:
                continue  # one that looks elsewhere than in folders
            except Exception:  # wall: foreign code
                log.exception("source %s of %s failed", source.entry[1], kind.name)
        return folders

    def refresh_sources(self, root: Path, settings: Mapping[str, Any]) -> None:
        """Ask every source again which drivers this node has, and look at its plugin files.

        Others may use drivers meanwhile: those that stay are there all the time. Sources of third
        parties are first asked in another process: one that hangs there, or ends it, lists nothing.
        """
        passed = self._tried_sources(root, settings)
        drivers = {key: loaded for key, loaded in self._drivers.items() if not loaded.from_source}
        for key in self._unusable:
            self.rejected.pop(key, None)
        self._unusable.clear()
        for kind_name, sources in self._sources.items():
            for source in filter(passed, sources):
                for name, plugin in _listed(KINDS[kind_name], source, root, settings):
                    key = (kind_name, name)
                    if key not in drivers and self._add_listed(KINDS[kind_name], name, plugin):
                        drivers[key] = replace(
                            self._drivers[key], from_source=True, foreign=source.foreign)
                        self._hold(key, drivers[key])
        self._refresh_files(root, drivers)
        self._drivers = drivers

    def _add_listed(self, kind: Kind[Any], name: str, plugin: object) -> bool:
        """Add what a source listed, unless it says itself that nobody can use it."""
        if not isinstance(plugin, Unusable):
            return self._add_again(kind, name, plugin, str(getattr(plugin, "location", "")))
        self._unusable.add((kind.name, name))
        self.rejected[kind.name, name] = PluginStatus(
            kind.name, name, plugin.location, "", None, plugin.problem)
        return False

    def _add_again(self, kind: Kind[Any], name: str, plugin: object, origin: str) -> bool:
        """Add what a source or a file gave; one that is here already, as it is, stays."""
        known = self._drivers.get((kind.name, name))
        if known is not None and known.from_source and known.is_as(name, plugin, origin):
            self.rejected.pop((kind.name, name), None)
            return True
        return self.try_add(kind, name, plugin, origin)

    def _tried_sources(
        self, root: Path, settings: Mapping[str, Any]
    ) -> Callable[[_Source], bool]:
        """Whether a source can be asked in this process."""
        foreign = [source.entry for sources in self._sources.values() for source in sources
                   if source.foreign]
        problems = try_out(foreign, asked=(root, settings)) if self.trial and foreign else {}
        for (group, name), problem in problems.items():
            log.error("%s %s is not asked for drivers: %s", group, name, problem)
        return lambda source: source.entry not in problems

    def _refresh_files(self, root: Path, drivers: dict[tuple[str, str], _Loaded]) -> None:
        """Add the plugins of files to `drivers`; note those that cannot be used."""
        problems: dict[Path, str] = {}
        if self.trial and (changed := self._files.changed(root)):
            tried = try_out([(FILE, str(path)) for path in changed])
            problems = {Path(path): problem for (_, path), problem in tried.items()}
        self.rejected = {key: row for key, row in self.rejected.items()
                         if not row.distribution.startswith(str(root / FOLDER))}
        for one in self._files.found(root, problems):
            key, origin = (one.kind, one.name), str(one.path)
            if one.problem:
                taken = key in drivers
                self._reject_file((FILE, one.path.name) if taken else key, origin, one.problem)
            elif one.kind not in self._kinds:
                continue
            elif key in drivers:
                self._reject_file((FILE, one.path.name), origin, f"there is a {one.kind}:{one.name}"
                                  " already, which is used")
            elif self._add_again(KINDS[one.kind], one.name, one.plugin, origin):
                drivers[key] = replace(self._drivers[key], from_source=True, foreign=True)
                self._hold(key, drivers[key])
            else:
                self._reject_file(key, origin, self.rejected[key].problem)

    def _reject_file(self, key: tuple[str, str], origin: str, problem: str) -> None:
        # Who names the driver in a command does not know the file.
        told = problem if key[0] == FILE else f"{origin}: {problem}"
        self.rejected[key] = PluginStatus(*key, origin, "", None, told)

    def names(self, kind: Kind[Any]) -> list[str]:
        """The usable drivers of `kind`, sorted."""
        return sorted(name for kind_name, name in self._drivers
                      if kind_name == kind.name and not self._is_disabled(kind, name))

    def preferred(self, kind: Kind[Any]) -> list[str]:
        """The drivers that may be taken where none is named, the most wanted one first."""
        wanted = {name: self.describe(kind, name).preference for name in self.names(kind)}
        return sorted((name for name, preference in wanted.items() if preference > 0),
                      key=lambda name: (-wanted[name], name))

    def has(self, kind: Kind[Any], name: str) -> bool:
        """Return whether there is such a driver; one that is disabled is there, but refused."""
        return (kind.name, name) in self._drivers

    def is_from_source(self, kind: Kind[Any], name: str) -> bool:
        """Whether a source listed this driver: by now it may list another, or none."""
        loaded = self._drivers.get((kind.name, name))
        return loaded is not None and loaded.from_source

    def is_foreign(self, kind: Kind[Any], name: str) -> bool:
        """Whether a third party provides this driver; False where there is none."""
        loaded = self._drivers.get((kind.name, name))
        return loaded is not None and loaded.foreign

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
                title=loaded.description.title, seconds=loaded.seconds, note=loaded.note)
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


def _listed(
    kind: Kind[Any], source: _Source, root: Path, settings: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """The drivers that a source has, by name; none of one that fails."""
    try:
        return list(source.obj.drivers(root, settings))
    except Exception:  # wall: foreign code
        log.exception("source %s of %s failed", source.entry[1], kind.name)
        return []
