"""How instance policies are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganeti_core.cli.document import Pairs

_RATIOS = ("spindle-ratio", "vcpu-ratio")


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
