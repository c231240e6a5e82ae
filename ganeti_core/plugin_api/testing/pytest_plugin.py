"""Loaded by pytest everywhere: lets the kit's assertions tell what they compared. Nothing else."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"ganeti_core.plugin_api.testing.{name}"
      for name in ("base", "calls", "collector", "disk", "extstorage", "footprint", "hypervisor",
                   "iallocator", "killing", "migration", "os")))
