"""Names of array types, and the rows that make up a node's state and an instance's demand.

A *view* is the state of some nodes, a *site* their unchanging properties, a *demand* what some
instances take from a node. Their fields are arrays of any shapes that broadcast together: one
instance against all nodes, many instances against many nodes, or a list of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def whole(values: Floats) -> Floats:
    """Whole parts; 0 for what is no finite number."""
    return np.nan_to_num(np.trunc(values), nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(slots=True)
class View:
    """The changing state of nodes; MiB for memory and disk.

    The fields that end in `_forth` count forthcoming instances too.
    """

    free_mem: Floats
    """Memory not taken by the node or its running primaries (not the reported free figure)."""
    free_disk: Floats
    free_spindles: Floats
    cpus: Floats
    spindles: Floats
    load_cpu: Floats
    load_mem: Floats
    load_disk: Floats
    load_net: Floats
    mem_forth: Floats
    disk_forth: Floats
    free_spindles_forth: Floats
    cpus_forth: Floats
    spindles_forth: Floats
    reserved: Floats
    """Memory to keep free so that any one other node may fail."""
    failing: Bools
    """Whether failing over from some node would not fit here."""
    primaries: Floats
    secondaries: Floats
    location: Floats
    clashes: Floats
    """Primaries beyond the first with an equal exclusion tag."""


VIEW_FIELDS = tuple(item.name for item in fields(View))
parts_of_view = attrgetter(*VIEW_FIELDS)
"""All fields of a view at once: there are many views of few nodes, so that this counts."""


@dataclass(slots=True)
class Site:
    """What no move changes about nodes."""

    total_mem: Floats
    total_disk: Floats
    total_cpus: Floats
    speed: Floats
    total_spindles: Floats
    max_spindles: Floats
    min_disk: Floats
    max_ratio: Floats
    mem_base: Floats
    """What the score divides memory by; here and below infinite where a node has nothing of it."""
    cpu_base: Floats
    """The same for processors; with the speed infinite, too, where that is nothing."""
    spindle_base: Floats
    exclusive: Bools
    offline: Bools
    silent: Bools
    """Of the offline ones: those that only do not answer, of which nothing is known."""
    any_exclusive: bool
    """Whether the *cluster* has nodes with exclusive storage (else spindle rules are skipped)."""
    any_forthcoming: bool


SITE_FIELDS = tuple(item.name for item in fields(Site))[:-2]
parts_of_site = attrgetter(*SITE_FIELDS)


@dataclass(slots=True)
class Demand:
    """What instances take from nodes; a forthcoming instance takes nothing of the real figures."""

    memory: Floats
    running: Floats
    """Memory taken on the primary now."""
    counted: Floats
    """Memory that the secondary keeps reserved."""
    counted_forth: Floats
    """The same, where a forthcoming instance counts as it will later."""
    disk: Floats
    disk_forth: Floats
    spindle_use: Floats
    spindle_use_forth: Floats
    spindles: Floats
    """Spindles of the disks; -1 if unknown."""
    cpus: Floats
    cpus_forth: Floats
    load_cpu: Floats
    load_mem: Floats
    load_disk: Floats
    load_net: Floats
    one: Floats
    """1, or 0 for a forthcoming instance."""
    local: Bools
    drbd: Bools
    real: Bools


DEMAND_FIELDS = tuple(item.name for item in fields(Demand))
parts_of_demand = attrgetter(*DEMAND_FIELDS)
