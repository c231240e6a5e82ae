"""What administrators say of nodes (``hv_state``, ``disk_state``), as allocators count it.

What is said never makes a node larger than it says itself: it can only withhold a part from
instances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import fill
from ganeti_core.model.cluster import DISK_STATE_DEFAULTS, HV_STATE_DEFAULTS
from ganeti_core.model.params import filled_disk_state, filled_hv_state

if TYPE_CHECKING:
    from ganeti_core.model import Cluster, Node, NodeGroup
    from ganeti_core.plugin_api.data import HostFacts, StorageSpace


Levels = tuple["Cluster", "NodeGroup", "Node"]
"""Who says something of a node: later ones are nearer to it."""


@dataclass(frozen=True)
class Stated:
    """Memory (MiB) and processors of a node.

    :param withheld: of the free memory, which instances do not get
    """

    total: int
    reserved: int
    withheld: int
    cpus: int
    reserved_cpus: int


def stated_memory(levels: Levels, facts: HostFacts) -> Stated:
    """What allocators are sent of a node's memory and processors, by what is said of it.

    That of the cluster's first hypervisor counts, as for all that a node says of itself.
    """
    said = fill(HV_STATE_DEFAULTS, filled_hv_state(*levels).get(
        next(iter(levels[0].enabled_hypervisors), ""), {}))
    # The defaults, which Ganeti writes into every configuration, say nothing of the totals.
    total = min(facts.memory_total, said["mem_total"] or facts.memory_total)
    cpus = facts.cpu_total
    if said["cpu_total"] > HV_STATE_DEFAULTS["cpu_total"]:
        cpus = min(cpus, said["cpu_total"])
    reserved = max(facts.memory_host, said["mem_node"] + said["mem_hv"])
    withheld = (facts.memory_total - total) + (reserved - facts.memory_host)
    return Stated(total, reserved, withheld, cpus, max(facts.host_cpus, said["cpu_node"]))


def stated_space(levels: Levels, template: str, space: StorageSpace) -> tuple[int, int]:
    """Return how large a storage counts, and how much of it instances do not get, MiB."""
    said = fill(DISK_STATE_DEFAULTS, filled_disk_state(*levels).get(template, {}).get(
        space.name, {}))
    total = min(space.total, said["disk_total"] or space.total)
    return total, space.total - total + said["disk_reserved"] + said["disk_overhead"]
