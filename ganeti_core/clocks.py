"""How far another host's clock is from ours, as seen through a question and its answer."""

from __future__ import annotations

LARGEST_SKEW = 150.0
"""Seconds that a node's clock may differ from the master's, as in Ganeti."""
NOTABLE_SKEW = 15.0
"""Seconds: more than this means that the clocks are not kept by the same time."""


def skew(told: float, asked: float, answered: float) -> float:
    """Return by how many seconds a clock is ahead at least, negative where it is behind.

    Nobody knows when between question and answer the other host has looked at its clock: a slow
    host is none with a wrong clock. All are seconds since the epoch.

    :param told: by the other host
    :param asked: our time of the question, `answered` that of the answer
    """
    if told > answered:
        return told - answered
    return min(0.0, told - asked)
