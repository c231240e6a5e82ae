"""A random fault meets a random operation on machines of the lab: nothing acknowledged is lost.

See `tests/safety/test_mirror_rounds.py`, which plays the same rounds without a lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drbd_guest import DrbdGuest
from machines.image import why_not
from safety_rounds import play

pytestmark = [pytest.mark.timeout(3600),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module")
def guest(package: Path) -> Iterator[DrbdGuest]:
    with DrbdGuest.lent(package) as made:
        yield made


def test_nothing_acknowledged_is_lost(guest: DrbdGuest, safety_seed: int) -> None:
    play(guest, safety_seed)
