"""Clusters whose daemons die on order."""

from __future__ import annotations

import pytest
from fault_cluster import Clusters
from scenarios import SCENARIOS


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    with Clusters(lambda: tmp_path_factory.mktemp("faults") / "c") as found:
        yield found


@pytest.fixture
def cluster(clusters):
    with clusters.clean() as found:
        yield found


@pytest.fixture(params=[
    pytest.param(name, marks=pytest.mark.torture) if scenario.slow else name
    for name, scenario in SCENARIOS.items()])
def scenario(request):
    return SCENARIOS[request.param]
