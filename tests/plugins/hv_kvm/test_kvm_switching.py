"""What is noted of a switched disk while QEMU refuses, hangs up, or loses the copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fake_qemu import fake_qemu

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import mirroring
from ganeti_plugins.hv_kvm.devices import device_id
from ganeti_plugins.hv_kvm.guests import Guest, Runtime
from ganeti_plugins.hv_kvm.switched import Note

OLD = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1, instance="inst1")
NEW = replace(OLD, uuid="d15cffff-0000-4000-8000-000000000002")


@dataclass(frozen=True)
class LivingGuest(Guest):
    """A guest whose QEMU is the stand-in, or has ended."""

    alive: list[bool] = field(default_factory=lambda: [True])

    def pid(self) -> int | None:
        return 1 if self.alive[0] else None


@dataclass
class Copying:
    """A QEMU that mirrors one disk. `complete`: what it makes of the order to switch."""

    complete: str = "switches"
    status: str = "ready"
    error: str = ""
    used: str = OLD.uuid
    runs: bool = True
    told: list[str] = field(default_factory=list)

    def answer(self, command: str, arguments: dict[str, Any]) -> list[Any]:
        self.told.append(command)
        match command:
            case "query-jobs":
                job = {"id": f"mirror-{device_id(NEW)}", "status": self.status,
                       "current-progress": 1, "total-progress": 1}
                return [{"return": [job | ({"error": self.error} if self.error else {})]}]
            case "query-block":
                node = device_id(NEW if self.used == NEW.uuid else OLD)
                return [{"return": [{"qdev": "disk", "inserted": {"node-name": node}}]}]
            case "query-named-block-nodes":
                return [{"return": [{"node-name": device_id(one), "image": {"virtual-size": 4}}
                                    for one in (OLD, NEW)]}]
            case "query-status":
                return [{"return": {"status": "running" if self.runs else "paused"}}]
            case "stop" | "cont":
                self.runs = command == "cont"
            case "blockdev-mirror":
                self.status, self.error = "running", ""
            case "job-complete":
                return self._completed()
        return [{"return": {}}]

    def _completed(self) -> list[Any]:
        match self.complete:
            case "hangs up":
                return [None]
            case "loses the copy":
                self.status, self.error = "concluded", "No space left on device"
                return [{"error": {"class": "GenericError", "desc": "not ready"}}]
        self.status, self.used = "concluded", NEW.uuid
        return [{"return": {}}]


@dataclass
class Switching:
    qemu: Copying
    guest: LivingGuest
    note: Note
    old: DiskSpec
    new: DiskSpec

    def switch(self) -> None:
        mirroring.switch(self.guest, self.old, self.new, self.note)

    @property
    def is_held(self) -> bool:
        runtime = self.guest.load()
        assert runtime is not None
        return runtime.held


@pytest.fixture
def switching(tmp_path: Path) -> Iterator[Switching]:
    with _running(tmp_path, (OLD,)) as found:
        yield found


@contextmanager
def _running(folder: Path, disks: tuple[DiskSpec, ...]) -> Iterator[Switching]:
    """A guest that runs with these disks."""
    (folder / "inst1").mkdir()
    paths = [folder / "old", folder / "new"]
    for path in paths:
        path.write_bytes(path.name.encode().ljust(8))
    guest = LivingGuest(folder / "inst1", None)  # type: ignore[arg-type]  # it has no cards
    guest.save(Runtime(InstanceSpec(
        "uuid", "inst1", "kvm", disks=disks,
        hvparams={"security_model": "none", "use_chroot": False}), {}))
    qemu = Copying()
    with fake_qemu(guest.control_socket, qemu.answer):
        yield Switching(qemu, guest, Note(folder / "note.json"), *(
            replace(disk, path=str(path)) for disk, path in zip((OLD, NEW), paths, strict=True)))


def test_a_switch_is_noted_and_the_guest_goes_on(switching: Switching) -> None:
    switching.switch()
    assert switching.note.has(NEW)
    assert switching.qemu.runs
    assert not switching.is_held


def test_a_copy_that_is_lost_at_the_last_moment_is_not_taken_for_the_newer_disk(
    switching: Switching
) -> None:
    switching.qemu.complete = "loses the copy"
    with pytest.raises(HypervisorError):
        switching.switch()
    assert switching.qemu.runs, "it writes to the old disk again"
    switching.guest.alive[0] = False
    switching.switch()
    assert Path(switching.new.path).read_bytes() == Path(switching.old.path).read_bytes()


def test_a_guest_stands_still_while_it_may_yet_be_switched(switching: Switching) -> None:
    switching.qemu.complete = "hangs up"
    with pytest.raises(HypervisorError):
        switching.switch()
    assert (switching.qemu.runs, switching.is_held) == (False, True)
    assert switching.note.has(NEW), "if it ends now, both disks are alike"
    switching.qemu.complete = "switches"
    switching.switch()
    assert (switching.qemu.runs, switching.is_held) == (True, False)
    assert switching.note.has(NEW)


def test_a_copy_that_is_lost_after_it_was_noted_is_made_anew(switching: Switching) -> None:
    switching.qemu.complete = "hangs up"
    with pytest.raises(HypervisorError):
        switching.switch()
    switching.qemu.status, switching.qemu.error = "concluded", "Input/output error"
    with pytest.raises(HypervisorError, match=r"broke off \(Input/output error\)"):
        switching.switch()
    assert switching.qemu.status == "running"
    assert not switching.note.has(NEW)
    assert (switching.qemu.runs, switching.is_held) == (True, False)


def test_a_guest_that_was_started_with_the_new_disk_is_left_as_it_is(tmp_path: Path) -> None:
    with _running(tmp_path, (NEW,)) as started:
        started.qemu.used = NEW.uuid
        before = started.guest.load()
        started.switch()
        assert started.guest.load() == before
        assert "blockdev-del" not in started.qemu.told
