"""How long slow hosts are given is what their environment says, or the log tells what it is."""

from __future__ import annotations

import pytest

from ganeti_core.patience import VARIABLE, patience


@pytest.mark.parametrize(("text", "times", "told"), [
    ("", 1.0, ""), ("4", 4.0, ""), ("2.5", 2.5, ""), ("much", 1.0, "GANETI_PATIENCE=much is no"),
    ("1000", 100.0, "it counts as 100"), ("0.1", 1.0, "it counts as 1"), ("nan", 1.0, "nan is no")])
def test_a_value_that_is_not_taken_is_told(
    text: str, times: float, told: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert patience() == times
    assert told in caplog.text
    assert bool(told) == bool(caplog.records)
