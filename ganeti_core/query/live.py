"""What nodes tell of themselves, and who asks them.

The engine asks through a `LiveSource`: of several nodes at once, only what the wanted fields need.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.query.host_figures import host_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Node
    from ganeti_core.plugin_api.data import (
        Console,
        DiskSpec,
        DiskStatus,
        HostFacts,
        InstanceSpec,
        RunningInstance,
        StorageSpace,
    )


class Question(NamedTuple):
    """A hook without arguments that a node is asked to run; or a service, without kind."""

    kind: str
    driver: str
    hook: str


NODE_FACTS = Question("", "", "node.facts")


def running(hypervisor: str) -> Question:
    return Question("hypervisors", hypervisor, "running")


def host_facts(hypervisor: str) -> Question:
    return Question("hypervisors", hypervisor, "host_facts")


def spaces(template: str) -> Question:
    return Question("disk_templates", template, "space")


def os_info(name: str) -> Question:
    return Question("os", name, "info")


@dataclass(frozen=True)
class NodeLive:
    """The answers of one node: results as their contracts type them, or the error instead."""

    answers: Mapping[Question, Any]

    def _answer(self, question: Question) -> Any | None:
        answer = self.answers.get(question)
        return None if isinstance(answer, GanetiError) else answer

    def facts(self, hypervisor: str) -> HostFacts | None:
        """The view of one hypervisor, with its version; None, here and below, where the node did
        not tell."""
        return self._answer(host_facts(hypervisor))

    @cached_property
    def host(self) -> HostFacts | None:
        """Memory and processors, as all hypervisors that were asked see them together."""
        return host_figures(found for question in self.answers if question.hook == "host_facts"
                            and (found := self._answer(question)) is not None)

    def running(self, hypervisor: str) -> Sequence[RunningInstance] | None:
        return self._answer(running(hypervisor))

    def spaces(self, template: str) -> Sequence[StorageSpace] | None:
        return self._answer(spaces(template))

    def os_info(self, name: str) -> OsInfo | None:
        """An OS definition; what its hook failed with is the problem that it has here."""
        answer: OsInfo | GanetiError | None = self.answers.get(os_info(name))
        return OsInfo(name, "", problem=str(answer)) if isinstance(answer, GanetiError) else answer

    @property
    def node_facts(self) -> Mapping[str, Any]:
        """What the service ``node.facts`` tells; empty where it did not."""
        return self._answer(NODE_FACTS) or {}

    @cached_property
    def guests(self) -> Mapping[str, RunningInstance]:
        """Guests of every hypervisor asked, by name."""
        return {
            guest.name: guest
            for question in self.answers if question.hook == "running"
            for guest in self._answer(question) or ()
        }


@dataclass(frozen=True)
class ConsoleRequest:
    """Whose console is asked for, and on which node that instance lives."""

    instance: InstanceSpec
    node: Node


@dataclass(frozen=True)
class DiskQuestion:
    """Which device is asked about, on which node."""

    node: Node
    disk: DiskSpec

    @property
    def key(self) -> tuple[str, str]:
        return self.node.uuid, self.disk.uuid


class LiveSource(Protocol):
    """Asks nodes. Implementations may be called from several threads at once."""

    def gather(
        self, nodes: Sequence[Node], questions: frozenset[Question]
    ) -> Mapping[str, NodeLive | GanetiError]:
        """Ask every node all questions; return by uuid, a node's failure is its answer.

        Who keeps what was made of an answer may know by identity that it is still the same.
        """

    def consoles(
        self, requests: Sequence[ConsoleRequest]
    ) -> Mapping[str, Console | GanetiError]:
        """How each instance's console is reached, by the instance's uuid."""

    def disk_states(
        self, questions: Sequence[DiskQuestion]
    ) -> Mapping[tuple[str, str], DiskStatus | GanetiError]:
        """How each device is, by the uuids of node and disk."""

    def ask_each(
        self, asked: Sequence[tuple[Node, Question, Mapping[str, Any]]]
    ) -> Sequence[Any]:
        """What hooks with these arguments return on nodes, in order; a failure is an answer."""

    def exports(self, nodes: Sequence[Node]) -> Mapping[str, Sequence[str] | GanetiError]:
        """The names of the exports that each node stores, by the node's uuid."""


class InstanceLive(NamedTuple):
    """How one instance was found.

    `problem` tells why nothing is known: its primary node is marked offline, or is silent.
    """

    guest: RunningInstance | None = None
    on_primary: bool = True
    problem: Literal["", "offline", "silent"] = ""


NOT_RUNNING = InstanceLive()
NODE_OFFLINE = InstanceLive(problem="offline")
NODE_SILENT = InstanceLive(problem="silent")
