"""Memory and processors of a node where several hypervisors are enabled, each with its own view.

Each reports the host and what its own guests leave of it. For one, guests of another are memory
that the host uses; one that is below the host's own system, as Xen is, sees more of the machine
than the others, which see the first domain only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.plugin_api.data import HostFacts


def host_figures(views: Iterable[HostFacts]) -> HostFacts | None:
    """Put the figures that hypervisors gave of one host together; None without any.

    Who sees most of the machine says what there is. What its guests, and those of others with the
    same view, use is neither free nor the host's own.
    """
    known = list(views)
    if not known:
        return None
    widest = max(known, key=lambda one: (one.memory_total, one.cpu_host))
    total = widest.memory_total
    same = [one for one in known if one.memory_total == total]
    guests = sum(max(0, total - one.memory_free - one.memory_host) for one in same)
    free = min(one.memory_free for one in same)
    host = max(0, total - free - guests)
    # Guests that are only pretended use memory that no other hypervisor misses.
    return replace(widest, memory_host=host, memory_free=max(0, min(free, total - guests - host)))
