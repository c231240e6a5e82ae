"""Events: told to every subscriber after something became true; nobody can veto.

A subscriber is found through the group ``ganeti.events``. Events run on the master, each subscriber
with its own guard: an exception is logged and reaches nobody else. They come after the commit that
they tell of, in order per instance; after a crash of the master some may be missing.
"""

from __future__ import annotations

from typing import Any

from .kinds import hookspec

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
        """An instance has another primary node; `how`: ``migrate``, ``failover``."""

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
