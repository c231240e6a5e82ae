"""Short patience: what takes seconds between machines takes moments within a process."""

from __future__ import annotations

import pytest

from ganeti_core.config import marks, replicate


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicate, "APPEND_SECONDS", 0.3)
    monkeypatch.setattr(replicate, "RETRY", 0.02)
    monkeypatch.setattr(marks, "MARK_SECONDS", 0.5)
    monkeypatch.setattr(marks, "_PAUSE", 0.05)
