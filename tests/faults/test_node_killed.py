"""A node's daemon is killed at each call: the job fails clean, or leaves a debt that is paid."""

from __future__ import annotations

import pytest
from strikes import strike_everywhere

pytestmark = pytest.mark.timeout(900)


def test_killed_before_each_act(cluster, scenario):
    strike_everywhere(cluster, scenario, "kill-before")


def test_killed_after_each_act(cluster, scenario):
    """It was done, and the master never hears of it."""
    strike_everywhere(cluster, scenario, "kill-after")
