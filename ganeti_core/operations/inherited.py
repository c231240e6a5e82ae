"""Changes of parameters that cluster, node groups and nodes inherit from each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError, ValueRejected
from ganeti_core.model import fill
from ganeti_core.model.cluster import (
    DISK_STATE_DEFAULTS,
    HV_STATE_DEFAULTS,
    IPOLICY_DEFAULTS,
    NDPARAMS_DEFAULTS,
)
from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.params import filled_ipolicy
from ganeti_core.operations.networking import check_mode, checked_nicparams
from ganeti_core.operations.parameters import updated
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.model import Cluster, NodeGroup
    from ganeti_core.plugins import PluginHost

_SPECS = frozenset(IPOLICY_DEFAULTS["std"])
_RATIOS = ("vcpu-ratio", "spindle-ratio")


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

    :raises ValueRejected: a name is unknown, or a value is of another type or out of its range
    """
    new = changed_by_type(old, asked, NDPARAMS_DEFAULTS)
    if new.get("spindle_count", 0) < 0:
        raise ValueRejected(
            f"'spindle_count' (value {new['spindle_count']}) is not a number of spindles, "
            "which is 0 or more")
    if not 0 < new.get("cpu_speed", 1.0) < math.inf:
        raise ValueRejected(
            f"'cpu_speed' (value {new['cpu_speed']}) is not a speed relative to other nodes, "
            "which is more than 0")
    return new


def changed_hv_state(
    host: PluginHost, old: Mapping[str, Any], asked: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What is said of nodes, by hypervisor, after a change.

    :raises OpPrereqError: there is no such hypervisor (`ECODE_INVAL`)
    :raises ValueRejected: a name is unknown, or a value is no number of 0 or more
    """
    if strange := sorted(name for name in asked or {} if not host.has(HYPERVISORS, name)):
        raise OpPrereqError("Invalid hypervisor(s) in hypervisor state: "
                            f"{', '.join(strange)}", ECODE_INVAL)
    return _changed_states(old, asked or {}, HV_STATE_DEFAULTS)


def changed_disk_state(
    host: PluginHost, old: Mapping[str, Any], asked: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What is said of storages, by disk template and name, after a change.

    :raises OpPrereqError: there is no such disk template, or it takes no room of its node
        (`ECODE_INVAL`)
    :raises ValueRejected: a name is unknown, or a value is no number of 0 or more
    """
    new = dict(old)
    for template, storages in (asked or {}).items():
        if not host.has(DISK_TEMPLATES, template) or (
                LOCAL_SPACE not in host.describe(DISK_TEMPLATES, template).capabilities):
            raise OpPrereqError(
                f"Invalid storage type(s) in disk state: {template} is no disk template whose "
                "disks take room of their node", ECODE_INVAL)
        if not isinstance(storages, dict):
            raise ValueRejected(f"The state of storages of {template} must be by their names")
        new[template] = _changed_states(new.get(template, {}), storages, DISK_STATE_DEFAULTS)
    return {template: storages for template, storages in new.items() if storages}


def _changed_states(
    old: Mapping[str, Any], asked: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    new = dict(old)
    for name, values in asked.items():
        if not isinstance(values, dict):
            raise ValueRejected(f"The state of '{name}' must be by names of values")
        new[name] = changed_by_type(new.get(name, {}), values, defaults)
        for key, value in new[name].items():
            if value < 0:
                raise ValueRejected(f"'{key}' (value {value}) of '{name}' must be 0 or more")
    return {name: values for name, values in new.items() if values}


def changed_nicparams(
    host: PluginHost, old: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """What network cards inherit.

    :raises OpPrereqError: there is no such mode, or no such link or VLANs can be (`ECODE_INVAL`)
    """
    new = changed_by_type(old, asked, NICPARAMS_DEFAULTS)
    if "mode" in new:
        check_mode(host, new["mode"])
    checked = checked_nicparams(host, fill(NICPARAMS_DEFAULTS, new))
    return {name: checked[name] for name in new}


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
        _check_not_per_disk(host, template, checked)
        new[template] = updated(new.get(template, {}), params, checked)
        host.check_parameters(DISK_TEMPLATES, template, new[template])
    return {template: params for template, params in new.items() if params}


def _check_not_per_disk(host: PluginHost, template: str, names: Iterable[str]) -> None:
    properties = host.describe(DISK_TEMPLATES, template).parameters.get("properties", {})
    for name in names:
        if properties.get(name, {}).get("x-disk"):
            raise OpPrereqError(f"The parameter '{name}' of the disk template {template} can only "
                                "be given for one disk", ECODE_INVAL)


def changed_ipolicy(
    host: PluginHost, old: Mapping[str, Any], asked: Mapping[str, Any], *, of_group: bool
) -> dict[str, Any]:
    """An instance policy after a change; ``default`` or nothing takes a value of its own away.

    :raises OpPrereqError: a key is unknown, or the limits make no sense (`ECODE_INVAL`)
    """
    asked = {key: "default" if value in ([], ["default"]) and key == "disk-templates" else value
             for key, value in asked.items()}
    for key, value in asked.items():
        if key not in IPOLICY_DEFAULTS or (key == "std" and of_group and value != "default"):
            raise OpPrereqError(f"Invalid key in instance policy: '{key}'", ECODE_INVAL)
        if value != "default":
            _check_policy_value(host, key, value)
    new = updated(old, asked, {k: v for k, v in asked.items() if v != "default"})
    if not of_group:
        _check_standard({**IPOLICY_DEFAULTS, **new})
    return new


def check_policy_templates(
    cluster: Cluster, group: NodeGroup | None, asked: Mapping[str, Any]
) -> None:
    """See that a policy allows what the cluster has enabled.

    :param cluster: as it will be, like `group`; None: the cluster's own policy is checked
    :param asked: the change of the policy
    :raises OpPrereqError: it allows no enabled disk template, or names one that is not
        (`ECODE_INVAL`)
    """
    enabled = cluster.enabled_disk_templates
    allowed = filled_ipolicy(cluster, group)["disk-templates"]
    named = asked.get("disk-templates")
    strange = [] if not named or named in ("default", ["default"]) else [
        name for name in named if name not in enabled]
    if strange:
        raise OpPrereqError("The following disk templates are allowed by the ipolicy, but not "
                            f"enabled on the cluster: {', '.join(strange)}", ECODE_INVAL)
    if not set(allowed) & set(enabled):
        whose = f"node group {group.name}" if group else "the cluster"
        raise OpPrereqError(
            f"The instance policy of {whose} allows no disk template that is enabled: it allows "
            f"{', '.join(allowed)}, enabled are {', '.join(enabled)}", ECODE_INVAL)


def _check_policy_value(host: PluginHost, key: str, value: Any) -> None:
    if key in _RATIOS:
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise OpPrereqError(f"Invalid value {value!r} for {key}", ECODE_INVAL)
    elif key == "disk-templates":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise OpPrereqError(f"Invalid list of disk templates {value!r}", ECODE_INVAL)
        wrong = [name for name in value if not host.has(DISK_TEMPLATES, name)]
        if wrong:
            raise OpPrereqError("Invalid instance policy: Invalid disk template(s) "
                                f"{', '.join(wrong)}", ECODE_INVAL)
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
