"""Both sources of the figures."""

from pathlib import Path

from ganeti_collector_pressure import look, pressure


def test_the_kernels_form_is_understood() -> None:
    told = pressure("some avg10=1.50 avg60=0.00 avg300=0.25 total=77\nfull avg10=0.00 total=3\n")
    assert told["some"] == {"avg10": 1.5, "avg60": 0.0, "avg300": 0.25, "total": 77.0}
    assert told["full"]["total"] == 3.0


def test_without_the_kernels_figures_the_load_is_told(tmp_path: Path) -> None:
    assert 0 <= look(tmp_path)["cpu"]["some"]["avg300"] <= 100
