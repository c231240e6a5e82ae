"""Instance policies: how they are shown, and the options that set them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.options import OptionSpec, value
from ganeti_core.cli.values import parse_size
from ganeti_core.errors import ValueRejected

if TYPE_CHECKING:
    from ganeti_core.cli.document import Pairs
    from ganeti_core.cli.session import Session

_RATIOS = ("spindle-ratio", "vcpu-ratio")

POLICY_LIMITS: tuple[OptionSpec, ...] = (
    value("--ipolicy-bounds-specs", dest="ipolicy_bounds_specs", type="bounds",
          help="Smallest and largest instance: min:key=n,.../max:key=n,...[//...]"),
    value("--ipolicy-disk-templates", dest="ipolicy_disk_templates", type="list",
          help="Allowed disk templates, separated by commas"),
    value("--ipolicy-vcpu-ratio", dest="ipolicy_vcpu_ratio", type="maybefloat",
          help="Most virtual processors per processor"),
    value("--ipolicy-spindle-ratio", dest="ipolicy_spindle_ratio", type="maybefloat",
          help="Most instances per spindle"),
)
_SIZES = frozenset({"disk-size", "memory-size"})


def _amounts(given: Any) -> dict[str, int]:
    """Read the amounts of one instance: numbers, memory and disks also with a unit.

    :raises ValueRejected: one is neither, or there are none, as in ``no_min``
    """
    if not isinstance(given, dict):
        raise ValueRejected("The specifications of an instance policy are amounts: min:key=n,..."
                            "/max:key=n,...")
    amounts = {}
    for key, text in given.items():
        try:
            amounts[key] = parse_size(text) if key in _SIZES else int(text)
        except (ValueError, TypeError, AttributeError) as exc:
            raise ValueRejected(f"'{key}' (value {text}) is not a valid amount") from exc
    return amounts


def _ranges(bounds: list[dict[str, Any]]) -> list[dict[str, Any]] | str:
    if bounds == [{"default": {}}]:
        return "default"
    return [{end: _amounts(given) for end, given in pair.items()} for pair in bounds]


def given_policy(session: Session) -> dict[str, Any]:
    """Collect what the policy options ask for; empty where none was given."""
    bounds = session.option("ipolicy_bounds_specs")
    standard = session.option("ipolicy_std_specs")
    policy = {
        "minmax": _ranges(bounds) if bounds else None,
        # What an option makes of the one word ``default``.
        "std": "default" if standard == {"default": True} else
        _amounts(standard) if standard else None,
        "disk-templates": session.option("ipolicy_disk_templates"),
        "vcpu-ratio": session.option("ipolicy_vcpu_ratio"),
        "spindle-ratio": session.option("ipolicy_spindle_ratio"),
    }
    return {key: value for key, value in policy.items() if value is not None}


SPLIT_SPECS = {"ispecs_cpu_count": "cpu-count", "ispecs_disk_count": "disk-count",
               "ispecs_disk_size": "disk-size", "ispecs_mem_size": "memory-size",
               "ispecs_nic_count": "nic-count"}


def split_policy(session: Session) -> dict[str, Any]:
    """Make a policy of the options that each set one amount: ``--specs-cpu-count min=1,max=4``.

    :raises errors.OpPrereqError: they are mixed with options that set the same as a whole
    :raises ValueRejected: one is no amount
    """
    given = {name: session.option(dest) for dest, name in SPLIT_SPECS.items()
             if session.option(dest)}
    if not given:
        return {}
    if session.option("ipolicy_bounds_specs") or session.option("ipolicy_std_specs"):
        raise wrong_input("The --specs-* options exclude --ipolicy-bounds-specs and"
                          " --ipolicy-std-specs")
    (bounds,) = session.cluster_info()["ipolicy"]["minmax"]
    policy: dict[str, Any] = {end: dict(bounds[end]) for end in ("min", "max")} | {"std": {}}
    for name, amounts in given.items():
        for end, text in amounts.items():
            if end not in policy:
                raise ValueRejected(f"Unknown parameter '{end}': expected min, max or std")
            policy[end] |= _amounts({name: text})
    return {"minmax": [{end: policy[end] for end in ("min", "max")}],
            **({"std": policy["std"]} if policy["std"] else {})}


def policy_limits(policy: dict[str, Any]) -> Pairs:
    """Show a cluster's policy: the bounds, the standard instance, templates and ratios."""
    shown: Pairs = [("bounds specs", [
        [(f"{end}/{index}", bounds[end]) for end in ("min", "max")]
        for index, bounds in enumerate(policy.get("minmax", []))])]
    if "std" in policy:
        shown.append(("std", policy["std"]))
    shown.append(("allowed disk templates", ", ".join(policy.get("disk-templates", []))))
    return shown + [(ratio, policy[ratio]) for ratio in _RATIOS if ratio in policy]


def inherited_policy(own: dict[str, Any], actual: dict[str, Any]) -> Pairs:
    """Show a node group's policy; what comes from the cluster is marked ``default``."""
    def mark(key: str, value: Any) -> Any:
        return value if key in own else f"default ({value})"

    shown: Pairs = [("bounds specs", [
        {f"{end}/{index}": {key: mark("minmax", value) for key, value in bounds[end].items()}
         for end in ("min", "max")}
        for index, bounds in enumerate(actual.get("minmax", []))])]
    shown.append(("allowed disk templates",
                  mark("disk-templates", ", ".join(actual.get("disk-templates", [])))))
    return shown + [(ratio, mark(ratio, actual[ratio])) for ratio in _RATIOS if ratio in actual]
