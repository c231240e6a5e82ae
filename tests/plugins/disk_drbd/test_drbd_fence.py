"""Writes that wait, when the other copy is lost, for what the kernel's helper says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import fake_drbd
import pytest
from drbd_nodes import Kernels
from drbd_pair import A, B, Pair, make_pair, refused

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.disk import NODES
from ganeti_core.plugin_api.testing.mirror import until
from ganeti_plugins.disk_drbd import fence

PROGRAM = """#!/bin/sh
echo "$GANETI_ROOT $*" >> {asked}
while [ ! -e {verdict} ]; do sleep 0.05; done
exit $(cat {verdict})
"""


@dataclass(frozen=True)
class Helper:
    """A program that the kernels of both nodes call; it ends when it gets its exit status."""

    folder: Path

    def says(self, status: int | None) -> None:
        verdict = self.folder / "verdict"
        if status is None:
            verdict.unlink()
            return
        (self.folder / "draft").write_text(f"{status}\n")
        (self.folder / "draft").rename(verdict)

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def helper(tmp_path: Path, two_nodes: Mapping[str, HookContext]) -> Helper:
    made = Helper(tmp_path / "helper")
    made.folder.mkdir()
    program = made.folder / "ganeti-drbd-helper"
    program.write_text(PROGRAM.format(
        asked=made.folder / "asked", verdict=made.folder / "verdict"))
    program.chmod(0o755)
    for ctx in two_nodes.values():
        (ctx.root / "sys/module/drbd/parameters/usermode_helper").write_text(f"{program}\n")
    return made


@pytest.fixture
def fenced(helper: Helper, kernels: Kernels, two_nodes: Mapping[str, HookContext]) -> Pair:
    """A disk in sync, open, and written to on the first node; nobody was asked for that."""
    made = make_pair(kernels, two_nodes)
    assert helper.asked() == []
    return made


def is_frozen(pair: Pair) -> bool:
    pair.kernels.change(lambda _: None)
    return not Path(pair.device(A)).exists()


def test_writes_wait_for_what_is_said_of_the_lost_copy(fenced: Pair, helper: Helper) -> None:
    fenced.cut()
    assert is_frozen(fenced)
    assert "writes wait until the master knows" in fenced.state(A).reason
    helper.says(fence.OUTDATED)
    until(lambda: not is_frozen(fenced))
    [asked] = helper.asked()
    assert asked == (f"{fenced.contexts[A.uuid].root} fence-peer "
                     f"resource{fenced.disk.on(A.uuid).minor}")
    fenced.write(A, b"later")
    fenced.cut(joined=True)
    until(fenced.in_sync)
    assert fenced.read(B) == b"later"


def test_without_a_word_they_wait_until_the_copy_is_back(fenced: Pair, helper: Helper) -> None:
    helper.says(fence.STAY_FROZEN)
    fenced.cut()
    until(lambda: len(helper.asked()) == 1)
    assert is_frozen(fenced)
    fenced.cut(joined=True)
    until(lambda: not is_frozen(fenced))
    until(fenced.in_sync)


def test_who_is_asked_to_write_while_the_other_one_may_asks_first(
    fenced: Pair, helper: Helper,
) -> None:
    helper.says(fence.STAY_FROZEN)
    fenced.cut()
    with refused("Refusing to be Primary while peer is not outdated"):
        fenced.work("promote", B, force=False)
    assert not Path(fenced.device(B)).exists()
    helper.says(fence.OUTDATED)
    fenced.work("promote", B, force=False)
    assert Path(fenced.device(B)).exists()
    assert [line.split()[0] for line in helper.asked()].count(
        str(fenced.contexts[B.uuid].root)) == 2


def test_a_disk_is_opened_alone_when_its_other_copy_is_known_to_be_old(
    fenced: Pair, helper: Helper,
) -> None:
    fenced.work("close", *NODES)
    fenced.kernels.lose(fenced.contexts[B.uuid])
    fenced.stale = (B,)
    helper.says(fence.UNREACHABLE)
    with refused("Need access to UpToDate data"):
        fenced.work("open", A)  # it may be the older one, and nobody could say
    helper.says(fence.OUTDATED)
    fenced.work("open", A)
    assert fenced.state(A).local == "ok"
    assert fenced.read(A) == b"first"


def test_a_copy_that_is_closed_while_the_other_one_is_written_to_is_old(fenced: Pair) -> None:
    fenced.work("close", B)
    assert not is_frozen(fenced), "it was left in good order: nobody has to be asked"
    assert fenced.state(B).reason == "it was outdated"
    with refused("its data here are Outdated"):
        fenced.cut()
        fenced.work("promote", B, force=False)


def test_a_disk_that_was_open_before_is_fenced_when_it_is_opened_again(
    pair: Pair, helper: Helper,
) -> None:
    pair.cut()
    assert not is_frozen(pair), "the kernel called another program when it was opened"
    pair.cut(joined=True)
    until(pair.in_sync)
    pair.work("open", *NODES)
    pair.cut()
    assert is_frozen(pair)
    helper.says(fence.OUTDATED)
    until(lambda: not is_frozen(pair))


@pytest.mark.parametrize("end", ["\n", "-that-is-not-there/ganeti-drbd-helper"])
def test_writes_do_not_wait_for_a_program_that_the_kernel_cannot_start(
    helper: Helper, kernels: Kernels, two_nodes: Mapping[str, HookContext], end: str,
) -> None:
    program = f"{helper.folder}/ganeti-drbd-helper{end}"
    for ctx in two_nodes.values():
        (ctx.root / "sys/module/drbd/parameters/usermode_helper").write_text(f"{program}\n")
    pair = make_pair(kernels, two_nodes)
    pair.cut()
    assert not is_frozen(pair)
    ctx = two_nodes[A.uuid]
    [problem] = pair.driver.verify(replace(ctx, config={
        **ctx.config, "drbd_usermode_helper": program.strip()}))
    assert "printf %s" in problem.message or "is no program here" in problem.message


@pytest.mark.usefixtures("helper")
def test_writes_do_not_wait_where_that_is_not_wanted(fenced: Pair) -> None:
    fenced.disk = replace(fenced.disk, params={**fenced.disk.params, "fencing": False})
    fenced.work("open", *NODES)
    fenced.cut()
    assert not is_frozen(fenced)


@pytest.mark.parametrize(("words", "status"), [
    (("after-resync-target", "minor-0"), fence.IGNORED),
    (("fence-peer", "theirs"), fence.IGNORED),
    (("fence-peer", "resource4711"), fence.STAY_FROZEN),
])
def test_a_call_that_is_not_of_a_disk_of_ours_changes_nothing(
    words: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.setenv("GANETI_ROOT", str(tmp_path))
    assert fence.main(words) == status


def test_the_stand_in_knows_the_exit_statuses_of_the_real_kernel() -> None:
    known = {"ds": "UpToDate", "pds": "DUnknown"}
    assert [fake_drbd.obey(dict(known), status) for status in (0, 1, 4, 5, 6, 7)] == [
        False, False, True, True, False, True]
    assert not fake_drbd.obey({"ds": "Consistent", "pds": "DUnknown"}, 5)
