"""The options of an instance policy, as a command line that sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.named import rows_of
from ganeti_core.cli.options import flag
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.cli.session import Session


def _amounts(amounts: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={amount}" for name, amount in sorted(amounts.items()))


def _limits(policy: Mapping[str, Any]) -> list[str]:
    pairs = [f"min:{_amounts(pair['min'])}/max:{_amounts(pair['max'])}"
             for pair in policy.get("minmax", ())]
    return ["--ipolicy-bounds-specs", "//".join(pairs)] if pairs else []


def _of_cluster(session: Session, _arguments: list[str]) -> int:
    info = session.cluster_info()
    policy = info["ipolicy"]
    standard = ["--ipolicy-std-specs", _amounts(policy["std"])] if policy.get("std") else []
    print(" ".join(["gnt-cluster init", *standard, *_limits(policy), info["name"]]))
    return 0


def _of_groups(session: Session, arguments: list[str]) -> int:
    field = "ipolicy" if session.options.include_defaults else "custom_ipolicy"
    for name, policy in rows_of(session, "group", arguments, ["name", field]):
        print(" ".join(["gnt-group add", *_limits(policy or {}), name]))
    return 0


FOR_CLUSTER = Command(_of_cluster)
FOR_GROUPS = Command(
    _of_groups, "[--include-defaults] [<group>...]", 0, None,
    (flag("--include-defaults", dest="include_defaults",
          help="Also what the groups inherit from the cluster"),))
