"""Types for parameters that were given as text.

What parameters exist and which type they have is the master's knowledge (most belong to
plugins), so a value takes the type of the cluster's default for the same parameter.  Every
parameter has a default: one that has none does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.values import parse_bool, parse_number, parse_size
from ganeti_core.errors import ValueRejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.cli.session import Session

MEMORY = frozenset({"memory", "minmem", "maxmem"})
_WORDS = frozenset({"default", "auto"})
"""Texts that a parameter of any type may have; the master knows which has them."""
_SAME_AS = {"memory": "maxmem"}


def convert(given: Mapping[str, Any], defaults: Mapping[str, Any],
            sizes: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Give every text in `given` the type that its default has; `sizes` are in MiB.

    ``default`` passes: it takes an own value back.

    :raises ValueRejected: a value does not fit, or `defaults` does not know the parameter
    """
    converted = {}
    for key, value in given.items():
        if _SAME_AS.get(key, key) not in defaults:
            raise ValueRejected(f"Unknown parameter '{key}'")
        converted[key] = _convert_one(key, value, defaults[_SAME_AS.get(key, key)], key in sizes)
    return converted


def _convert_one(key: str, value: Any, default: Any, is_size: bool) -> Any:
    if value is None:
        return "default"
    if not isinstance(value, str) or value in _WORDS:
        return value
    try:
        if is_size:
            return parse_size(value)
        if isinstance(default, bool):
            return parse_bool(value)
        if isinstance(default, int):
            return int(value)
        if isinstance(default, float):
            return parse_number(value)
    except ValueError as exc:
        what = ("a valid size" if is_size else "a boolean" if isinstance(default, bool)
                else "a number")
        raise ValueRejected(f"'{key}' (value {value}) is not {what}. error: {exc}") from exc
    return value


def backend_parameters(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """Type the parameters of ``-B``."""
    if not given:
        return {}
    info = session.cluster_info()
    return convert(given, info.get("beparams", {}).get("default", {}), MEMORY)


def hypervisor_parameters(session: Session, given: Mapping[str, Any],
                          hypervisor: str | None = None) -> dict[str, Any]:
    """Type the parameters of ``-H``; without a hypervisor those of all are looked through."""
    if not given:
        return {}
    info = session.cluster_info()
    defaults = info.get("hvparams", {})
    if hypervisor is None:
        known: dict[str, Any] = {}
        for name in reversed(info.get("enabled_hypervisors", [])):
            known.update(defaults.get(name, {}))
    elif hypervisor not in info.get("enabled_hypervisors", []):
        # The master tells that this hypervisor is not enabled; its parameters do not matter.
        return dict(given)
    else:
        known = defaults.get(hypervisor, {})
    return convert(given, known)


def node_parameters(session: Session, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Type the parameters of ``--node-parameters``."""
    if not given:
        return None
    return convert(given, session.cluster_info().get("ndparams", {}))


def driver_settings(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """Type the settings of ``--driver-settings``."""
    if not given:
        return {}
    return convert(given, session.cluster_info().get("settings", {}))


def disk_parameters(session: Session,
                    given: Sequence[tuple[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """Type the parameters of ``-D``, per disk template.

    :raises errors.OpPrereqError: there is no such template
    """
    if not given:
        return None
    known = session.cluster_info().get("diskparams", {})
    for template, parameters in given:
        if parameters and template not in known:
            raise wrong_input(f"Unknown disk template '{template}' (there are:"
                              f" {', '.join(sorted(known))})")
    return {template: convert(parameters or {}, known.get(template, {}))
            for template, parameters in given}


def disk_state(given: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """What is said of storages, ``template/name:key=value``, by disk template and name.

    :raises errors.OpPrereqError: one names no storage
    """
    found: dict[str, dict[str, Any]] = {}
    for where, values in given:
        template, slash, name = where.partition("/")
        if not slash or not name:
            raise wrong_input(f"'{where}' names no storage: expected disk-template/name")
        found.setdefault(template, {})[name] = values
    return found
