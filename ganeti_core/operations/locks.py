"""Lock requests that operations of several rooms make."""

from __future__ import annotations

from ganeti_core.locking import Level, Want

CLUSTER_SETTINGS = Want(Level.CLUSTER, "settings")
"""Held by who changes the cluster object: two changes would lose each other's values."""
