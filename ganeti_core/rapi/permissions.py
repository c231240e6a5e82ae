"""Who may do what: permissions by name, the roles that bundle them, and the one decision.

The names are those of the resources' methods; every door that serves people asks `decide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.rapi.scopes import Scope, Thing

_NAMES: Mapping[str, str] = {
    "jobs": "list query cancel wait",
    "instances": (
        "multi_alloc list create grow_disk modify remove query info reboot startup shutdown"
        " migrate failover rename reinstall replace_disks recreate_disks activate_disks"
        " deactivate_disks export.prepare export.create export.remove query.console place"),
    "os": "list",
    "filter": "list create query modify remove",
    "nodes": (
        "list query powercycle role.query role.modify evacuate migrate modify storage.query"
        " storage.modify storage.repair"),
    "networks": "list query create remove connect disconnect modify rename",
    "groups": "list create query delete modify rename assign_nodes",
    "query": "all",
    "cluster": "info modify redistribute_config verify capacity balance rebalance",
    "tags": "get set delete",
}
ALL = frozenset(f"{group}.{name}" for group, names in _NAMES.items() for name in names.split())
CONSOLE = "instances.query.console"
READONLY = frozenset({
    "jobs.list", "jobs.query", "instances.list", "instances.query", "instances.info",
    "nodes.list", "nodes.query", "nodes.role.query", "networks.list", "networks.query",
    "groups.list", "groups.query", "filter.list", "filter.query", "cluster.info", "tags.get",
    "query.all", "os.list", "cluster.capacity", "cluster.balance"})
OPERATOR = READONLY | {
    "instances.startup", "instances.shutdown", "instances.reboot", "instances.migrate",
    "instances.failover", "instances.replace_disks", "instances.export.prepare",
    "instances.export.create", "instances.export.remove", CONSOLE, "jobs.cancel", "jobs.wait",
    "instances.place", "cluster.verify", "cluster.rebalance"}
"""Keeps instances running: power, moves, exports, consoles; creates, changes, removes none."""
ROLES: Mapping[str, frozenset[str]] = {
    "admin": ALL, "readonly": READONLY, "operator": OPERATOR}
LEGACY: Mapping[str, frozenset[str]] = {
    # As in Ganeti, whoever may read sees consoles, too.
    "read": READONLY | {CONSOLE}, "write": ALL, "all": ALL}


@dataclass(frozen=True)
class Rights:
    """What somebody may do.

    :param granted: permissions by name
    :param removed: those that were taken away by name, even where nobody needs them
    """

    granted: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """What a method needs.

    :param public: nobody needs a permission for it, unless the daemon asks everybody who they are
    """

    permission: str
    public: bool = False


@dataclass(frozen=True)
class Actor:
    """Somebody who has proved who they are.

    :param scope: on which objects the rights count; None for all, and for what is no object's
    :param mark: what the jobs of somebody with a scope are known by
    :param listed: the rights are those of the users file
    """

    name: str
    rights: Rights
    scope: Scope | None = None
    mark: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether it is allowed, and why (not), in words for the log."""

    allowed: bool
    reason: str


def decide(actor: Actor | None, rule: Rule, thing: Thing | None = None) -> Decision:
    """Return whether `actor`, None for somebody unknown, may do what needs `rule`.

    :param thing: the object with which it is done; None for what can be said before it is known
    """
    if (actor is not None and actor.scope is not None and thing is not None
            and not actor.scope.covers(thing)):
        return Decision(False, f"the {thing.kind} {thing.name} is out of the scope of {actor.name}")
    if actor is None:
        return Decision(rule.public, "public" if rule.public else "nobody has logged in")
    rights = actor.rights
    if rule.permission in rights.granted:
        return Decision(True, f"{actor.name} has {rule.permission}")
    if rule.permission in rights.removed:
        return Decision(False, f"{rule.permission} was taken from {actor.name}")
    if rule.public:
        return Decision(True, "public")
    return Decision(False, f"{actor.name} lacks {rule.permission}")


def resolve(tokens: list[str]) -> tuple[Rights, list[str]]:
    """What options of the users file give, in whatever order they stand, and what is odd in them.

    Tokens are ``@role``, ``+permission``, ``-permission`` and ``permission``, besides the old
    ``read``, ``write`` and ``all``. Removals always win; unknown roles give nothing.
    """
    granted: set[str] = set()
    removed: set[str] = set()
    odd: list[str] = []
    for token in filter(None, (word.strip() for word in tokens)):
        if token.startswith("@"):
            if token[1:] not in ROLES:
                odd.append(f"unknown role '{token}'; there are "
                           + ", ".join(f"@{name}" for name in sorted(ROLES)))
            granted |= ROLES.get(token[1:], frozenset())
        elif token in LEGACY:
            granted |= LEGACY[token]
        elif token.startswith("-"):
            removed.add(token[1:])
        else:
            granted.add(token.removeprefix("+"))
    odd += [f"there is no permission '{name}'" for name in sorted((granted | removed) - ALL)]
    return Rights(frozenset(granted - removed), frozenset(removed)), odd
