"""A reboot is over when the firmware has reset the machine for the last time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import pytest

from ganeti_plugins.hv_kvm import lifecycle, processes
from ganeti_plugins.hv_kvm.guests import Guest
from ganeti_plugins.hv_kvm.qmp import Qmp, QmpUnreachable


class Machine:
    """A guest and its QEMU: at each look there was a reset or not, and some work was done.

    :param resets: whether there was one, by look; none after the last
    :param work: seconds of processor time between two looks
    """

    def __init__(self, resets: list[bool], work: float) -> None:
        self._resets: Iterator[bool] = iter(resets)
        self.left = sum(resets)
        self.work = work
        self.looks = 0

    def pid(self) -> int:
        return 1

    def wait_event(self, name: str, timeout: float, where: dict[str, object]) -> dict[str, object]:
        assert (name, where) == ("RESET", {"guest": True})
        self.looks += 1
        if not next(self._resets, False):
            raise QmpUnreachable("nothing came")
        self.left -= 1
        return where

    def cpu_seconds(self, _pid: int) -> float:
        return self.looks * self.work

    def is_idle(self, _pid: int) -> bool:
        return not self.work


@pytest.mark.parametrize("resets", [
    [True], [True, True, True, True], [False, True, False, True, False, False, True]])
@pytest.mark.parametrize("work", [0.05, 0.0], ids=["busy", "idle"])
def test_all_resets_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, resets: list[bool], work: float
) -> None:
    machine = Machine(resets, work)
    monkeypatch.setattr(processes, "cpu_seconds", machine.cpu_seconds)
    monkeypatch.setattr(processes, "is_idle", machine.is_idle)
    lifecycle._await_firmware(cast("Guest", machine), cast("Qmp", machine), uefi=False)
    assert machine.left == 0
    assert len(resets) < machine.looks < len(resets) + 20


def test_a_firmware_that_resets_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine([], 1.0)
    monkeypatch.setattr(processes, "cpu_seconds", machine.cpu_seconds)
    lifecycle._await_firmware(cast("Guest", machine), cast("Qmp", machine), uefi=False)
    assert 0 < machine.looks < 10


def test_a_process_is_idle_or_not() -> None:
    assert not processes.is_idle(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waiting:
        while not processes.is_idle(waiting.pid):
            pass
        waiting.kill()
