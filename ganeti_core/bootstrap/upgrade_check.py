"""Whether a cluster can be upgraded, from what its nodes have said. Pure.

The rule is that version N talks to N-1: nodes are upgraded one after the other, each by its
package, and meanwhile the master and the nodes are of different versions.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Version:
    """One version of the program: see `node.services.installed`."""

    version: str
    schema: int
    states: Mapping[str, int]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(str(data["version"]), int(data["schema"]), dict(data["states"]))


@dataclass(frozen=True)
class NodeSaid:
    """One node; `problem` is why it has not said what it runs and has, empty for who has.

    :param offline: it is marked so, and was not asked
    """

    name: str
    is_master: bool = False
    offline: bool = False
    problem: str = ""
    running: Version | None = None
    installed: Version | None = None


@dataclass(frozen=True)
class Finding:
    """What is to be known of a node, and what to do about it.

    :param hinders: nothing is begun while it is so
    """

    node: str
    text: str
    action: str
    hinders: bool = True


@dataclass(frozen=True)
class Survey:
    """The cluster; `schema` is that of its database.

    :param master_is_up: whether the master daemon runs; debts and jobs are not known otherwise
    """

    nodes: Sequence[NodeSaid]
    schema: int
    debts: int = 0
    jobs: int = 0
    master_is_up: bool = True

    @cached_property
    def newest_running(self) -> Mapping[str, int]:
        """kind/driver → the newest version of what it may have left on a node."""
        found: dict[str, int] = {}
        for node in self.nodes:
            for driver, number in (node.running.states if node.running else {}).items():
                found[driver] = max(number, found.get(driver, 0))
        return found

    @property
    def installed_on_master(self) -> str:
        return next((node.installed.version for node in self.nodes
                     if node.is_master and node.installed), "")

    def all_run(self, wanted: str) -> bool:
        """Whether every node that is not marked offline is known to run `wanted`."""
        return self.master_is_up and all(
            node.running is not None and node.running.version == wanted
            for node in self.nodes if not node.offline)

    def to_restart(self, wanted: str) -> list[NodeSaid]:
        """The nodes that do not run `wanted` yet, the master last."""
        return sorted((node for node in self.nodes
                       if not node.offline and node.running and node.running.version != wanted),
                      key=lambda node: (node.is_master, node.name))

    def findings(self, wanted: str) -> Iterator[Finding]:
        """What there is to say of an upgrade to `wanted`, node by node."""
        for node in self.nodes:
            yield from self._of(node, wanted)
            if node.is_master and not self.master_is_up:
                yield Finding(node.name, "its master daemon does not run", "start ganeti-masterd")

    def _of(self, node: NodeSaid, wanted: str) -> Iterator[Finding]:
        if node.offline:
            yield Finding(node.name, "is marked offline and was not asked",
                          f"install {wanted} on it before it is used again", hinders=False)
        elif node.running is None or node.installed is None:
            yield Finding(node.name, node.problem,
                          "see that ganeti-noded runs there, or mark the node offline "
                          f"(gnt-node modify --offline=yes {node.name})")
        elif node.installed.version != wanted:
            yield Finding(node.name, f"has {node.installed.version} installed, which is "
                          f"{_side(node.installed.version, wanted)} {wanted}",
                          f"install the package of {wanted} there")
        else:
            yield from self._fits(node.name, node.installed)

    def _fits(self, name: str, new: Version) -> Iterator[Finding]:
        if new.schema < self.schema:
            yield Finding(
                name, f"{new.version} knows databases up to schema {new.schema}, and that of this "
                f"cluster has {self.schema}", f"install a version that knows {self.schema}")
        for driver, newest in sorted(self.newest_running.items()):
            known = new.states.get(driver)
            if known is None:
                yield Finding(name, f"{driver} runs in this cluster and is not in what is "
                              "installed there", "install the plugin there, too")
            elif known < newest:
                yield Finding(
                    name, f"{driver} there knows state version {known}, and version {newest} runs "
                    "in this cluster: guests could be lost from sight",
                    f"install a version of {driver} with state version {newest} or later")


def _side(version: str, wanted: str) -> str:
    return "behind" if _order(version) < _order(wanted) else "ahead of"


def _order(version: str) -> list[tuple[int, str]]:
    return [(int(number or -1), word) for number, word in re.findall(r"(\d+)|([a-z]+)", version)]
