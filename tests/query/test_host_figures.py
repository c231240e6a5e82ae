"""What several hypervisors say of one host is put together once, for listings and placement."""

from __future__ import annotations

import pytest

from ganeti_core.errors import HypervisorError
from ganeti_core.plugin_api.data import HostFacts
from ganeti_core.query.host_figures import host_figures
from ganeti_core.query.live import NodeLive, host_facts


@pytest.mark.parametrize(("views", "free", "host"), [
    # One alone is believed.
    ([HostFacts(1000, 600, 100, 4)], 600, 100),
    # Both measure the kernel's memory; 1000 are guests of the first, 500 of the second.
    ([HostFacts(10000, 8200, 800, 4), HostFacts(10000, 8200, 1300, 4)], 8200, 300),
    # Guests that are only pretended: neither knows of the other's.
    ([HostFacts(1000, 900, 0, 4), HostFacts(1000, 800, 0, 4)], 700, 0),
    # One is below the system of the host, where the other sees 512 MiB.
    ([HostFacts(512, 300, 212, 1), HostFacts(8192, 5000, 512, 8, cpu_host=1)], 5000, 512),
])
def test_views_of_one_host(views: list[HostFacts], free: int, host: int) -> None:
    for ordered in (views, views[::-1]):
        found = host_figures(ordered)
        assert found is not None
        assert (found.memory_total, found.memory_free, found.memory_host) == (
            max(one.memory_total for one in views), free, host)


def test_processors_of_the_host_are_those_of_who_sees_the_machine() -> None:
    xen = HostFacts(8192, 5000, 512, 8, cpu_sockets=2, cpu_nodes=2, cpu_host=1)
    found = host_figures([HostFacts(512, 300, 212, 1), xen])
    assert found is not None
    assert (found.cpu_total, found.cpu_sockets, found.cpu_nodes, found.host_cpus) == (8, 2, 2, 1)


def test_a_hypervisor_that_fails_hides_no_figures_of_others() -> None:
    facts = HostFacts(1000, 600, 100, 4)
    live = NodeLive({host_facts("broken"): HypervisorError("no"), host_facts("well"): facts})
    assert live.host == facts
    assert NodeLive({host_facts("broken"): HypervisorError("no")}).host is None
