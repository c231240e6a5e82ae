"""The drivers that a process holds: check them, tell what they are, hand them out.

Each driver has its own `pluggy.PluginManager` that holds its kind's contracts, the one driver and
any wrappers, so a call is checked against the contract and still 1:1. A plugin that does not keep
its contract is remembered in `rejected` and never stops anything else.
"""

from __future__ import annotations

import logging
import time
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy
from jsonschema.validators import validator_for

from ganeti_core.entry_points import Origins
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError, PluginRejected
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.memo import Memo
from ganeti_core.model import fill
from ganeti_core.plugin_api.kinds import Kind, StandIns
from ganeti_core.plugin_checks import (
    HookManager,
    check_description,
    check_name,
    check_settings,
    misfit,
    missing_hooks,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.plugin_api.data import Description

S = TypeVar("S")
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
class Loaded:
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


@dataclass
class PluginRegistry:
    """The drivers of every kind that this process has.

    :param disabled: plugins (``KIND:NAME``) that the administrator does not want
    """

    rejected: dict[tuple[str, str], PluginStatus] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    wrap_each: Callable[[Kind[Any], str], object] | None = None
    """Makes a wrapper for each driver, by its name."""
    _drivers: dict[tuple[str, str], Loaded] = field(default_factory=dict)
    _wrappers: dict[str, list[object]] = field(default_factory=dict)
    _origins: Origins | None = None
    remembered: Memo[str, Any] = field(default_factory=Memo)
    """What takes long to gather from all drivers; its inputs are `state`."""

    @property
    def state(self) -> tuple[object, ...]:
        """All drivers as they are now, to be compared with what they were."""
        return self._drivers, self.disabled

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
    ) -> Loaded:
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
        return Loaded(manager, description, distribution, version,
                       seconds=time.perf_counter() - began)

    def _reject(self, kind: Kind[Any], name: str, distribution: str, problem: str) -> None:
        log.warning("plugin %s %s is not used: %s", kind.name, name, problem)
        self.rejected[kind.name, name] = PluginStatus(
            kind.name, name, distribution, "", None, problem)

    def _hold(self, key: tuple[str, str], loaded: Loaded) -> None:
        # A new mapping each time: whoever goes through the old one is not disturbed.
        self._drivers = {**self._drivers, key: loaded}

    def wrap(self, kind: str, wrapper: object) -> None:
        """Put `wrapper` (hooks with ``wrapper=True``) around drivers of `kind` added later."""
        self._wrappers.setdefault(kind, []).append(wrapper)

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

    def _loaded(self, kind: Kind[Any], name: str) -> Loaded:
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

    def _is_disabled(self, kind: Kind[Any], name: str) -> bool:
        return bool(self.disabled) and f"{kind.name}:{name}" in self.disabled

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
