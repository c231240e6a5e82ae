"""Tests of what a driver does not promise: they go no further, and are counted by themselves.

That such a thing is refused, typed, is asked of every driver by a test of its own; a test that is
*skipped* tells of something that this machine lacks.
"""

from __future__ import annotations

from typing import NoReturn

import pytest

NOT_PROMISED = "not promised: "


def not_promised(what: str) -> NoReturn:
    """End a test, or the fixture of tests, that is about something that the driver need not do."""
    pytest.skip(NOT_PROMISED + what)
