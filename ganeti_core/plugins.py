"""The plugin host: find plugins (stevedore), and look for them again while the process runs.

They come from entry points, from sources that list drivers, and from files. A plugin that breaks on
import is remembered in `rejected` and never stops anything else.
"""

from __future__ import annotations

import logging
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.entry_points import (
    Entry,
    Failed,
    Found,
    by_name,
    foreign_names,
    log_failure,
    scan,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.events import EVENTS_GROUP
from ganeti_core.plugin_api.sources import Unusable
from ganeti_core.plugin_changes import Provided
from ganeti_core.plugin_files import FOLDER, PluginFiles
from ganeti_core.plugin_files import GROUP as FILE
from ganeti_core.plugin_registry import Loaded, PluginRegistry, PluginStatus
from ganeti_core.plugin_trial import try_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.plugin_api.kinds import Kind


WRAPPERS_GROUP = "ganeti.wrappers"
ELSEWHERE = (WRAPPERS_GROUP, EVENTS_GROUP)
"""Groups of which it is only noticed that something has changed: wrappers stay as they are, and
others call subscribers."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """Lists drivers; `entry`: group and name of its entry point."""

    entry: Entry
    obj: Any
    foreign: bool


@dataclass
class PluginHost(PluginRegistry):
    """Finds the drivers of every kind and holds them. Build one per process and pass it on.

    :param disabled: plugins (``KIND:NAME``) that the administrator does not want; those that are
        named before `load` are not even imported
    """

    trial: bool = True
    """Whether files are tried out in another process first; a process that may be killed need not.
    """
    _sources: dict[str, list[_Source]] = field(default_factory=dict)
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

    def _load_wrappers(self) -> None:
        for found in scan(WRAPPERS_GROUP, log_failure, self._passed(WRAPPERS_GROUP)):
            kind = found.extension.name.partition(":")[0]
            self.wrap(kind, found.extension.obj)

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

    def _refresh_files(self, root: Path, drivers: dict[tuple[str, str], Loaded]) -> None:
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

def _listed(
    kind: Kind[Any], source: _Source, root: Path, settings: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """The drivers that a source has, by name; none of one that fails."""
    try:
        return list(source.obj.drivers(root, settings))
    except Exception:  # wall: foreign code
        log.exception("source %s of %s failed", source.entry[1], kind.name)
        return []
