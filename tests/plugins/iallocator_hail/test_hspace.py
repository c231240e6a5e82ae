"""Command lines of hspace that cannot be carried out, and what it tells beside its results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clusters import Shape, build

from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.records import Policy, Spec
from ganeti_plugins.iallocator_hail.tools.hspace import main

NOTHING = Spec(0, 0, 0, 0, 0, 0)
ANY = Policy(((NOTHING, Spec(65536, 64, 1 << 20, 16, 8, 64)),), NOTHING, vcpu_ratio=4.0)


@pytest.fixture(autouse=True)
def two_nodes(folder: Path) -> None:
    """A cluster whose policy allows instances that take nothing."""
    made = build(Shape(2, 0), 1)
    group = replace(made.groups[0], policy=ANY)
    nodes = tuple(
        replace(node, name=f"{node.name}.example.com", free_spindles=5) for node in made.nodes)
    made = replace(made, groups=(group,), policy=ANY, nodes=nodes)
    (folder / "two.data").write_text(dump_text(made))


def fill(*options: str) -> int:
    return main(["-t", "two.data", "--tiered-alloc", "10g,1g,1", *options])


def test_a_negative_number_of_spindles_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert fill("--spindle-use", "-1") == 1
    assert "spindle-use" in capsys.readouterr().err
    assert fill("--spindle-use", "0", "--disk-template", "plain") in (0, 1)


def test_filling_with_what_takes_nothing_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert fill("--standard-alloc", "0,0,0", "--disk-template", "file") == 1
    assert "fits any number of times" in capsys.readouterr().err
    assert fill("--standard-alloc", "0,0,0", "--disk-template", "file", "-l", "3") == 0
    assert fill("--standard-alloc", "0,0,1", "--disk-template", "file") == 0


def test_the_suffix_that_names_have_in_common_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert fill("--standard-alloc", "1g,1g,1", "-v", "--disk-template", "file") == 0
    note = "Note: Stripping common suffix of '.example.com' from names"
    assert note in capsys.readouterr().err.splitlines()


def test_free_spindles_are_forgotten_where_storage_is_not_exclusive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As soon as something was placed on a node; so does Ganeti."""
    assert fill("--standard-alloc", "1g,1g,1", "-l", "1", "--machine-readable",
                "--disk-template", "plain") == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["HTS_INI_SPN_FREE"], lines["HTS_FIN_SPN_FREE"]) == ("10", "5")


def test_the_limit_is_of_all_ranges_of_the_policy_together(
    folder: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Ganeti counts so, too."""
    made = build(Shape(2, 0), 1)
    pairs = tuple((NOTHING, Spec(memory, 1, 1024, 16, 8, 64)) for memory in (2048, 1024))
    policy = replace(ANY, pairs=pairs)
    (folder / "ranges.data").write_text(dump_text(replace(
        made, groups=(replace(made.groups[0], policy=policy),), policy=policy)))
    assert main(["-t", "ranges.data", "-l", "3", "--machine-readable",
                 "--disk-template", "plain"]) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["HTS_TRL_INST_CNT"] == "3"
