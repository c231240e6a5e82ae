"""Loaded by pytest everywhere: lets the kit's assertions tell what they compared, and its tests of
what a driver does not promise count as that, and not as skipped.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"ganeti_core.plugin_api.testing.{name}"
      for name in ("base", "calls", "collector", "disk", "extstorage", "footprint", "hypervisor",
                   "iallocator", "killing", "migration", "os")))

from .promises import NOT_PROMISED  # noqa: E402  # behind what must precede imports of the kit


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Give the tests of what is not promised a letter and a count of their own."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if report.skipped and reason.startswith(f"Skipped: {NOT_PROMISED}"):
        return "not promised", "n", "NOT PROMISED"
    return None
