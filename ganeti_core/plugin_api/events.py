"""Events: sent to every subscriber after something became true; nobody can veto.

A subscriber is a class without arguments, found through the group ``ganeti.events``. It is loaded
and called on the master, in a process of its own: nobody waits for it. It gets one event after
another, in the order in which they came, after the commit that they report; it has 30 seconds for
each. One that hangs is killed with what it had started, and begins again with the next event; what
is wrong with a subscriber is logged (``subscribers.log``, ``master-daemon.log``) and shown by
``gnt-plugin list`` and ``gnt-cluster verify``. Events that nobody took are lost when the master
ends, and so are those for a subscriber for whom 1000 are waiting.
"""

from __future__ import annotations

from typing import Any

from .kinds import hookspec

EVENTS = "events"
EVENTS_GROUP = "ganeti.events"


class EventsSpec:
    """What a subscriber may listen to; it takes the parameters that it names."""

    @hookspec
    def instance_created(self, name: str, uuid: str, nodes: tuple[str, ...]) -> None:
        """An instance is in the config, its disks installed; `nodes`: primary, then secondaries."""

    @hookspec
    def instance_removed(self, name: str, uuid: str) -> None:
        """An instance has left the config."""

    @hookspec
    def instance_started(self, name: str, uuid: str, node: str) -> None:
        """An instance was started by a job."""

    @hookspec
    def instance_stopped(self, name: str, uuid: str, node: str) -> None:
        """An instance was stopped by a job."""

    @hookspec
    def instance_moved(self, name: str, uuid: str, source: str, target: str, how: str) -> None:
        """An instance has another primary node; `how`: ``migrate``, ``failover``, ``move``."""

    @hookspec
    def node_added(self, name: str, uuid: str) -> None:
        """A host became a node."""

    @hookspec
    def node_removed(self, name: str, uuid: str) -> None:
        """A node left the cluster."""

    @hookspec
    def node_role_changed(self, name: str, uuid: str, role: str) -> None:
        """`role`: ``M`` master, ``C`` candidate, ``R`` regular, ``D`` drained, ``O`` offline."""

    @hookspec
    def config_changed(self, serial: int, changed: dict[str, Any]) -> None:
        """The config has a new serial; `changed`: kind → uuids."""

    @hookspec
    def job_finished(self, job_id: int, status: str, summary: tuple[str, ...]) -> None:
        """A job reached a final state."""
