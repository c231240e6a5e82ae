"""The plugins of this installation, loaded in this process."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.entry_points import names_of
from ganeti_core.operations.subscribers import LOADING_SECONDS, Subscribers
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.events import EVENTS, EVENTS_GROUP
from ganeti_core.plugins import PluginHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ganeti_core.plugin_registry import PluginStatus


def load_host(settings: Mapping[str, Any] | None = None) -> PluginHost:
    """Load every kind, and ask the sources what this host has."""
    # What is wrong is in the status of each plugin; the log would say it twice.
    logging.getLogger("ganeti_core").addHandler(logging.NullHandler())
    host = PluginHost()
    host.load()
    host.refresh_sources(Paths.from_environment().root, settings or {})
    return host


def local_subscribers() -> list[PluginStatus]:
    """Load the subscribers to events, each in a process of its own, and say how they are."""
    subscribers = Subscribers(Path(os.devnull))
    subscribers.begin()
    subscribers.loaded(LOADING_SECONDS)
    try:
        return subscribers.status()
    finally:
        subscribers.close()


def timed_host() -> tuple[PluginHost, float]:
    """The host, and how many seconds it took to load."""
    began = time.perf_counter()
    host = load_host()
    return host, time.perf_counter() - began


def plugin_names(host: PluginHost) -> set[tuple[str, str]]:
    """Kind and name of all plugins, of those with problems, too."""
    return {*((row.kind, row.name) for row in host.status()),
            *((EVENTS, name) for name in names_of(EVENTS_GROUP))}
