"""Does a plugin keep its contract? What can be seen of it before its first call.

Each check names what it found and what would be right: the reader is the plugin's author.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pluggy
from jsonschema.validators import validator_for

from ganeti_core.errors import PluginRejected
from ganeti_core.plugin_api.data import CATEGORIES, Description, Metric
from ganeti_core.plugin_api.kinds import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from ganeti_core.plugin_api.kinds import Kind

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""Names that users type, and that name folders on every node."""
OWN_PREFIX = "x-"
"""Of capabilities that are a plugin's own affair; the core does not know them."""
CORE_SETTINGS = frozenset({
    "address", "cluster_name", "master_netdev", "os_search_path", "iallocator_search_path",
    "disabled_plugins", "uid_pool"})
"""What hooks find in ``ctx.config`` that is no driver's."""
A_DAY = 86400.0
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}")

log = logging.getLogger(__name__)

_good_schemas: set[str] = set()


class HookManager(pluggy.PluginManager):
    """Pluggy's manager that passes over what every object has (``__eq__`` and its like).

    A look at each of those, for each plugin, took half of the time in which a daemon loads them.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return how a method is marked as a hook, None where it is not."""
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)

    def parse_hookspec_opts(
        self, module_or_class: type | ModuleType, name: str
    ) -> pluggy.HookspecOpts | None:
        """Return how a method is marked in a contract, None where it is not."""
        return (None if name.startswith("__")
                else super().parse_hookspec_opts(module_or_class, name))


def check_name(name: str) -> None:
    """:raises PluginRejected: users could not type it, or it could not name a folder"""
    if not NAME.fullmatch(name):
        raise PluginRejected(
            f"'{name}' cannot be the name of a plugin: letters, digits, '_', '-' and '.' can be in "
            "it, at most 64, and neither '-' nor '.' at its beginning")


def register(
    manager: pluggy.PluginManager, name: str, plugin: object, wrappers: Iterable[object] = ()
) -> set[str]:
    """Put `plugin` and its wrappers into `manager`; returns the hooks that the plugin has.

    :raises pluggy.PluginValidationError: a hook or a parameter that the contract lacks
    :raises PluginRejected: it has no hook at all, or one whose parameters cannot be filled
    """
    manager.register(plugin, name=name)
    for wrapper in wrappers:
        manager.register(wrapper)
    manager.check_pending()
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise PluginRejected(
            f"nothing of {type(plugin).__name__} is marked with @hookimpl: mark each method that "
            "is a hook")
    for caller in callers:
        for implementation in caller.get_hookimpls():
            if implementation.plugin is plugin:
                _check_parameters(caller.name, implementation)
    return {caller.name for caller in callers}


def _check_parameters(hook: str, implementation: pluggy.HookImpl) -> None:
    if implementation.kwargnames:
        raise PluginRejected(
            f"the hook {hook} gives '{implementation.kwargnames[0]}' a default: hooks take their "
            "parameters without defaults, the core passes each")
    keyword_only = [one.name for one in inspect.signature(
        implementation.function).parameters.values() if one.kind is one.KEYWORD_ONLY]
    if keyword_only:
        raise PluginRejected(
            f"the hook {hook} takes '{keyword_only[0]}' by keyword only, which no hook can")


def misfit(hooks: Iterable[str], exc: pluggy.PluginValidationError) -> str:
    """Say what pluggy found, without the plugin's object, and the hook that may have been meant."""
    text = " ".join(str(exc).partition(" in plugin <")[0].split())
    unknown = text.removeprefix("unknown hook ").strip("'")
    return text + (_meant(unknown, hooks) if unknown != text else "")


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (is {near[0]} meant?)" if near else ""


def missing_hooks(kind: Kind[Any], description: Description, have: set[str]) -> list[str]:
    """The hooks that the contract or a promised capability demands and the driver lacks."""
    required = {hook for hook in _hooks_of(kind.spec) if hook not in kind.optional}
    for capability, spec in kind.extensions:
        if capability in description.capabilities:
            required |= _hooks_of(spec) - kind.optional
    return sorted(required - have)


def _hooks_of(spec: type) -> set[str]:
    return {name for name, value in vars(spec).items()
            if not name.startswith("_") and callable(value)}


def check_description(kind: Kind[Any], name: str, description: object) -> None:
    """:raises PluginRejected: `describe` did not give what its contract says"""
    if not isinstance(description, Description):
        raise PluginRejected(
            f"{kind.name} {name}: describe() gave no Description, but {description!r:.100}")
    _check_version(kind, name, description.api_version)
    _check_capabilities(kind, name, description.capabilities)
    _check_schema(f"{kind.name} {name}", "parameter", description.parameters)
    _check_schema(f"{kind.name} {name}", "setting", description.settings)
    _check_collector(kind, name, description)
    for required in description.settings.get("required", ()):
        if required not in description.settings.get("properties", {}):
            raise PluginRejected(
                f"{kind.name} {name}: it requires the setting '{required}' without declaring it")


def check_settings(
    kind: Kind[Any], name: str, description: Description,
    others: Iterable[tuple[str, Description]],
) -> None:
    """See that a setting means one thing, whoever declares it.

    :param others: the other drivers, as ``KIND NAME``, and what they say of themselves
    :raises PluginRejected: another one declares it otherwise, or it is the core's own
    """
    own = description.settings.get("properties", {})
    for setting in sorted(own.keys() & CORE_SETTINGS):
        raise PluginRejected(f"{kind.name} {name}: the setting '{setting}' is the core's own")
    for other, described in others:
        for setting, schema in described.settings.get("properties", {}).items():
            if setting in own and _form(own[setting]) != _form(schema):
                raise PluginRejected(
                    f"{kind.name} {name}: it declares the setting '{setting}' otherwise than "
                    f"{other}: {_form(own[setting])}, there {_form(schema)}")


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}


def _check_collector(kind: Kind[Any], name: str, description: Description) -> None:
    interval: object = description.interval
    if not isinstance(interval, int | float) or not 1 <= interval <= A_DAY:
        raise PluginRejected(f"{kind.name} {name}: interval is {description.interval!r:.100}, and "
                             f"must be between 1 and {A_DAY:g} seconds")
    if description.category not in ("", *CATEGORIES):
        raise PluginRejected(f"{kind.name} {name}: there is no category {description.category!r} "
                             f"of reports; there are: {', '.join(CATEGORIES)}, or none")
    if description.report_kind not in (0, 1):
        raise PluginRejected(f"{kind.name} {name}: report_kind is {description.report_kind!r:.100},"
                             " and must be 0 (figures) or 1 (status)")
    for metric in description.metrics:
        _check_metric(f"{kind.name} {name}: the metric '{metric.name}'", metric)


def _check_metric(which: str, metric: Metric) -> None:
    if not _METRIC.fullmatch(metric.name):
        raise PluginRejected(f"{which} has no name of Prometheus (letters, digits, _, :)")
    if metric.type not in ("gauge", "counter", "histogram"):
        raise PluginRejected(f"{which} is of the type {metric.type!r}, not gauge, counter or "
                             "histogram")
    if (metric.type == "counter") != metric.name.endswith("_total"):
        raise PluginRejected(f"{which} is a {metric.type}: names of counters end in _total, and "
                             "no others do")
    for label in metric.labels:
        if not _LABEL.fullmatch(label) or metric.labels.count(label) > 1 or (
                metric.cluster_wide and label == "cluster") or (
                metric.type == "histogram" and label == "le"):
            raise PluginRejected(f"{which} cannot have the label '{label}'")


def _check_version(kind: Kind[Any], name: str, version: int) -> None:
    if version > kind.api:
        raise PluginRejected(
            f"{kind.name} {name} speaks API {version}, this core {kind.api}: update the core")
    if version < kind.oldest_api:
        raise PluginRejected(
            f"{kind.name} {name} speaks API {version}, the oldest accepted is {kind.oldest_api}: "
            "update the plugin")
    if version < kind.api:
        log.info("plugin %s %s speaks the older API %d", kind.name, name, version)


def _check_capabilities(kind: Kind[Any], name: str, capabilities: frozenset[str]) -> None:
    known = {*kind.capabilities, *(capability for capability, _ in kind.extensions)}
    for one in sorted(capabilities):
        if one not in known and not one.startswith(OWN_PREFIX):
            there = ", ".join(sorted(known)) or "none"
            raise PluginRejected(
                f"{kind.name} {name}: there is no capability '{one}'{_meant(one, known)}; there "
                f"are: {there}, and '{OWN_PREFIX}...' for what only the plugin itself knows")


def _check_schema(title: str, what: str, schema: dict[str, Any]) -> None:
    """:param what: the schema is of: ``parameter``, ``setting``"""
    # Reading a schema is half of what loading a plugin costs, and one process may load it again.
    text = repr(schema)
    if text not in _good_schemas:
        _check_whole_schema(title, what, schema)
        _good_schemas.add(text)


def _check_whole_schema(title: str, what: str, schema: dict[str, Any]) -> None:
    try:
        validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as exc:
        raise PluginRejected(f"{title}: bad {what} schema: {exc.message}") from exc
    for key, one in schema.get("properties", {}).items():
        if not isinstance(one, dict):
            raise PluginRejected(f"{title}: the {what} '{key}' has no description")
        # An option of a single disk is given or not: there is nothing to inherit.
        wanted = ("description",) if one.get("x-disk") else ("description", "default")
        for word in wanted:
            if word not in one:
                raise PluginRejected(f"{title}: the {what} '{key}' has no {word}")
        if "default" not in one:
            continue
        for problem in validator_for(schema)(one).iter_errors(one["default"]):
            raise PluginRejected(
                f"{title}: the default of the {what} '{key}' does not fit its own schema: "
                f"{problem.message}")
