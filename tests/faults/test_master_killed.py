"""The master is killed at each of its writes: jobs end, and as the nodes show."""

from __future__ import annotations

import pytest
from strikes import kill_master_everywhere

pytestmark = pytest.mark.timeout(300)


def test_killed_before_each_write(cluster, scenario):
    """What the node did last is not known to be done."""
    kill_master_everywhere(cluster, scenario, "before")


def test_killed_after_each_write(cluster, scenario):
    """What was to be done next is only announced."""
    kill_master_everywhere(cluster, scenario, "journal")
