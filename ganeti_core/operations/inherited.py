"""Changes of parameters that cluster, node groups and nodes inherit from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError, ValueRejected
from ganeti_core.model.cluster import IPOLICY_DEFAULTS, NDPARAMS_DEFAULTS, NICPARAMS_DEFAULTS
from ganeti_core.operations.parameters import updated
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.plugins import PluginHost

_SPECS = frozenset(IPOLICY_DEFAULTS["std"])
_RATIOS = ("vcpu-ratio", "spindle-ratio")
_NIC_MODES = ("bridged", "routed", "openvswitch")


def changed_by_type(
    old: Mapping[str, Any], asked: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Sparse parameters after a change; names and types are those of `defaults`.

    :raises ValueRejected: a name is unknown, or a value is of another type
    """
    checked = {name: _as_default(name, value, defaults) for name, value in asked.items()
               if value != "default"}
    for name in asked:
        if name not in defaults:
            raise ValueRejected(f"Unknown parameter '{name}'")
    return updated(old, asked, checked)


def _as_default(name: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    if name not in defaults:
        raise ValueRejected(f"Unknown parameter '{name}'")
    kind = type(defaults[name])
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if kind is int:
        try:
            return int(str(value))
        except ValueError:
            pass
    raise ValueRejected(f"'{name}' (value {value}) is not of the type {kind.__name__}")


def changed_ndparams(old: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Node parameters after a change.

    :raises ValueRejected: a name is unknown, or a value is of another type
    """
    return changed_by_type(old, asked, NDPARAMS_DEFAULTS)


def changed_nicparams(old: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What network cards inherit.

    :raises OpPrereqError: there is no such mode (`ECODE_INVAL`)
    """
    new = changed_by_type(old, asked, NICPARAMS_DEFAULTS)
    if new.get("mode", _NIC_MODES[0]) not in _NIC_MODES:
        raise OpPrereqError(f"Invalid NIC mode '{new['mode']}', expected one of "
                            f"{', '.join(_NIC_MODES)}", ECODE_INVAL)
    return new


def changed_diskparams(
    host: PluginHost, old: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Parameters per disk template after a change; the template's schema checks them.

    :raises OpPrereqError: a template or name is unknown, or a value wrong (`ECODE_INVAL`)
    """
    new = {template: dict(params) for template, params in old.items()}
    for template, params in asked.items():
        if not isinstance(params, dict):
            raise OpPrereqError(f"Invalid parameters of disk template {template}", ECODE_INVAL)
        checked = {name: value for name, value in params.items() if value != "default"}
        new[template] = updated(new.get(template, {}), params, checked)
        host.check_parameters(DISK_TEMPLATES, template, new[template])
    return {template: params for template, params in new.items() if params}


def changed_ipolicy(
    old: Mapping[str, Any], asked: Mapping[str, Any], *, of_group: bool
) -> dict[str, Any]:
    """An instance policy after a change; ``default`` takes a group's own value back.

    :raises OpPrereqError: a key is unknown, or the limits make no sense (`ECODE_INVAL`)
    """
    allowed = set(IPOLICY_DEFAULTS) - ({"std"} if of_group else set())
    for key, value in asked.items():
        if key not in allowed:
            raise OpPrereqError(f"Invalid key in instance policy: '{key}'", ECODE_INVAL)
        if value != "default":
            _check_policy_value(key, value)
    new = updated(old, asked, {k: v for k, v in asked.items() if v != "default"})
    if not of_group:
        _check_standard({**IPOLICY_DEFAULTS, **new})
    return new


def _check_policy_value(key: str, value: Any) -> None:
    if key in _RATIOS:
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise OpPrereqError(f"Invalid value {value!r} for {key}", ECODE_INVAL)
    elif key == "disk-templates":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise OpPrereqError(f"Invalid list of disk templates {value!r}", ECODE_INVAL)
    elif key == "std":
        _check_amounts("std", value, complete=False)
    else:
        _check_ranges(value)


def _check_ranges(ranges: Any) -> None:
    if not isinstance(ranges, list) or not ranges:
        raise OpPrereqError("Empty minmax specifications", ECODE_INVAL)
    for limits in ranges:
        if not isinstance(limits, dict) or set(limits) != {"min", "max"}:
            raise OpPrereqError("Missing minimum or maximum in an instance policy", ECODE_INVAL)
        for end in ("min", "max"):
            _check_amounts(end, limits[end], complete=True)
        for name in sorted(_SPECS):
            if limits["min"][name] > limits["max"][name]:
                raise OpPrereqError(
                    f"Invalid specification of min/max values for {name}: "
                    f"{limits['min'][name]}/{limits['max'][name]}", ECODE_INVAL)


def _check_amounts(where: str, amounts: Any, *, complete: bool) -> None:
    if not isinstance(amounts, dict):
        raise OpPrereqError(f"Invalid {where} specification in an instance policy", ECODE_INVAL)
    for name, amount in amounts.items():
        if name not in _SPECS:
            raise OpPrereqError(f"Invalid instance specification '{name}' in {where}", ECODE_INVAL)
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
            raise OpPrereqError(f"Invalid value {amount!r} of {name} in {where}", ECODE_INVAL)
    missing = sorted(_SPECS - set(amounts))
    if complete and missing:
        raise OpPrereqError(f"Missing instance specification in {where}: {', '.join(missing)}",
                            ECODE_INVAL)


def _check_standard(policy: Mapping[str, Any]) -> None:
    """The standard instance must fit into one of the ranges."""
    standard = {**IPOLICY_DEFAULTS["std"], **policy["std"]}
    for limits in policy["minmax"]:
        if all(limits["min"][name] <= standard[name] <= limits["max"][name] for name in _SPECS):
            return
    raise OpPrereqError("Invalid standard specification: it lies outside every allowed range",
                        ECODE_INVAL)
