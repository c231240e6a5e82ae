"""The master is killed at each of its writes: jobs end, and as the nodes show."""

from __future__ import annotations

import pytest
from scenarios import SCENARIOS
from strikes import kill_master, kill_master_everywhere

pytestmark = pytest.mark.timeout(900)


def test_killed_before_each_write(cluster, scenario):
    """What the node did last is not known to be done."""
    kill_master_everywhere(cluster, scenario, "before")


def test_killed_after_each_write(cluster, scenario):
    """What was to be done next is only announced."""
    kill_master_everywhere(cluster, scenario, "journal")


@pytest.mark.parametrize(("name", "point", "number"), [
    ("pair_create", "journal", 9), ("export", "before", 7), ("move", "before", 6),
    ("migrate", "before", 5), ("migrate", "journal", 7),
    ("convert_running", "before", 7), ("convert_running", "journal", 6),
    ("zero", "before", 6), ("zero", "journal", 5), ("install_helped", "journal", 6),
    ("grow", "journal", 4), ("modify", "before", 4), ("failover", "journal", 4),
    ("remove", "before", 3), ("shutdown", "journal", 3)])
def test_one_write_of_a_long_job(cluster, name, point, number):
    """Of jobs at whose every write `make torture` kills the master."""
    assert kill_master(cluster, SCENARIOS[name], point, number)
