"""The moves that balancing can make with one instance, tried on whole batches.

Each takes an instance from nodes (primary, secondary) to others; where a check fails the move
is impossible, and its state meaningless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from ..model.arrays import Bools, Floats, Ints, Site, View
from ..model.batch import Batch
from ..model.changes import (
    Check,
    Failure,
    Secondary,
    add_primary,
    add_secondary,
    any_failure,
    remove_primary,
)
from ..model.score import Changed


class Kind(IntEnum):
    """Kinds of moves, in the order in which they are tried for one target."""

    FAILOVER = 0
    FAILOVER_TO = 1
    REPLACE_SECONDARY = 2
    REPLACE_FAILOVER = 3
    REPLACE_PRIMARY = 4
    FAILOVER_REPLACE = 5


class Role(IntEnum):
    """What a node is for an instance."""

    PRIMARY = 0
    SECONDARY = 1


class Roles(NamedTuple):
    """What a move makes of the nodes involved; None: nothing."""

    primary: Role | None
    secondary: Role | None
    target: Role | None


ROLES: Final = {
    Kind.FAILOVER: Roles(Role.SECONDARY, Role.PRIMARY, None),
    Kind.FAILOVER_TO: Roles(None, None, Role.PRIMARY),
    Kind.REPLACE_SECONDARY: Roles(Role.PRIMARY, None, Role.SECONDARY),
    Kind.REPLACE_FAILOVER: Roles(Role.SECONDARY, None, Role.PRIMARY),
    Kind.REPLACE_PRIMARY: Roles(None, Role.SECONDARY, Role.PRIMARY),
    Kind.FAILOVER_REPLACE: Roles(None, Role.PRIMARY, Role.SECONDARY),
}


@dataclass(slots=True)
class Outcome:
    """What a move would lead to, per instance and target."""

    changes: list[Changed]
    checks: list[Check]
    primary: Ints
    """The new primary node."""
    secondary: Ints
    location_score: Floats

    @property
    def possible(self) -> Bools:
        """Where no check fails."""
        return ~any_failure(self.checks)


@dataclass(slots=True)
class Trial:
    """A batch against targets; `soft` ignores what only policy asks for."""

    batch: Batch
    target: Ints
    soft: bool = False

    @property
    def site(self) -> Site:
        """The targets' properties."""
        return self.batch.look(self.target)[0]

    @property
    def view(self) -> View:
        """The targets' state."""
        return self.batch.look(self.target)[1]

    def forced(self, offline: Bools) -> Bools | bool:
        """Whether checks are dropped: the node in question is dead anyway."""
        if self.soft:
            return True
        return offline if offline.any() else False

    def migration(self, *ways: tuple[Ints, Ints]) -> list[Check]:
        """Checks that the instance may migrate along all ways."""
        found = (self.batch.may_migrate(*way) for way in ways)
        return [(Failure.MIG, ~allowed) for allowed in found if allowed is not None]

    def entry(self, node: Ints, primary: Ints) -> Floats:
        """Memory that a node keeps reserved for a primary node so far."""
        return np.asarray(self.batch.cluster.peers[node, primary])

    def shared(self, first: Ints, second: Ints) -> Floats:
        """Location score of an instance on these nodes."""
        return self.batch.cluster.shared_locations(first, second)


def failover(trial: Trial) -> Outcome:
    """Swap primary and secondary; there is no target."""
    batch = trial.batch
    p, s, demand = batch.primary, batch.secondary, batch.demand
    dead = batch.primary_site.offline
    forced = trial.forced(dead)
    marks = batch.marks_on(s, batch.location_score)
    new_primary, first = add_primary(
        batch.secondary_site, batch.secondary_gone, demand, forced, marks
    )
    how = Secondary(trial.entry(p, s), forced, keeps_disk=dead)
    new_secondary, second = add_secondary(batch.primary_site, batch.primary_gone, demand, how)
    return Outcome(
        [Changed(p, new_secondary), Changed(s, new_primary)],
        [*trial.migration((p, s)), *first, *second],
        s,
        p,
        batch.location_score,
    )


def failover_to(trial: Trial) -> Outcome:
    """Move the primary of an instance without own storage."""
    batch, t = trial.batch, trial.target
    p = batch.primary
    marks = batch.marks_on(t, batch.location_score)
    forced = trial.forced(batch.primary_site.offline)
    new, checks = add_primary(trial.site, trial.view, batch.demand_there, forced, marks)
    return Outcome(
        [Changed(p, batch.primary_gone), Changed(t, new)],
        [*trial.migration((p, t)), *checks],
        t,
        np.full_like(t, -1),
        batch.location_score,
    )


def replace_secondary(trial: Trial) -> Outcome:
    """Rebuild the secondary elsewhere."""
    batch, t = trial.batch, trial.target
    p, s, demand = batch.primary, batch.secondary, batch.demand
    score = trial.shared(p, t)
    how = Secondary(trial.entry(t, p), trial.forced(batch.secondary_site.offline))
    new, first = add_secondary(trial.site, trial.view, batch.demand_there, how)
    marks = batch.marks_back(score)
    back, second = add_primary(batch.primary_site, batch.primary_gone, demand, True, marks)
    changes = [Changed(p, back), Changed(s, batch.secondary_gone), Changed(t, new)]
    return Outcome(changes, [*first, *second], p, t, score)


def replace_failover(trial: Trial) -> Outcome:
    """Rebuild the secondary elsewhere and make that the primary; the old primary stays behind."""
    batch, t = trial.batch, trial.target
    p, s, demand = batch.primary, batch.secondary, batch.demand
    score = trial.shared(t, p)
    marks = batch.marks_on(t, score)
    new, first = add_primary(trial.site, trial.view, batch.demand_there, trial.soft, marks)
    how = Secondary(trial.entry(p, t), trial.forced(batch.secondary_site.offline))
    behind, second = add_secondary(batch.primary_site, batch.primary_gone, demand, how)
    changes = [Changed(p, behind), Changed(s, batch.secondary_gone), Changed(t, new)]
    checks = [*trial.migration((p, t)), *first, *second]
    return Outcome(changes, checks, t, p, score)


def replace_primary(trial: Trial) -> Outcome:
    """Run on the secondary while the primary is rebuilt elsewhere, then go there."""
    batch, t = trial.batch, trial.target
    p, s, demand = batch.primary, batch.secondary, batch.demand
    forced = trial.forced(batch.primary_site.offline)
    score = trial.shared(t, s)
    there = batch.marks_on(s, batch.location_score)
    guest, first = add_primary(
        batch.secondary_site, batch.secondary_gone, demand, forced, there
    )
    left = remove_primary(batch.secondary_site, guest, demand, there)
    marks = batch.marks_on(t, score)
    new, second = add_primary(trial.site, trial.view, batch.demand_there, forced, marks)
    how = Secondary(trial.entry(s, t), forced)
    beside, third = add_secondary(batch.secondary_site, left, demand, how)
    changes = [Changed(p, batch.primary_gone), Changed(s, beside), Changed(t, new)]
    checks = [*trial.migration((p, s), (s, t)), *first, *second, *third]
    return Outcome(changes, checks, t, s, score)


def failover_replace(trial: Trial) -> Outcome:
    """Fail over, then rebuild the other side elsewhere."""
    batch, t = trial.batch, trial.target
    p, s, demand = batch.primary, batch.secondary, batch.demand
    forced = trial.forced(batch.primary_site.offline)
    score = trial.shared(s, t)
    marks = batch.marks_on(s, score)
    new, first = add_primary(batch.secondary_site, batch.secondary_gone, demand, forced, marks)
    how = Secondary(trial.entry(t, s), forced)
    beside, second = add_secondary(trial.site, trial.view, batch.demand_there, how)
    changes = [Changed(p, batch.primary_gone), Changed(s, new), Changed(t, beside)]
    checks = [*trial.migration((p, s)), *first, *second]
    return Outcome(changes, checks, s, t, score)


MOVES: dict[Kind, Callable[[Trial], Outcome]] = {
    Kind.FAILOVER: failover,
    Kind.FAILOVER_TO: failover_to,
    Kind.REPLACE_SECONDARY: replace_secondary,
    Kind.REPLACE_FAILOVER: replace_failover,
    Kind.REPLACE_PRIMARY: replace_primary,
    Kind.FAILOVER_REPLACE: failover_replace,
}
