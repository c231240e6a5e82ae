"""An abort that crosses with the guest's change of sides; QEMU played, to hit the moment."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fake_qemu import fake_qemu

from ganeti_core.plugin_api import HookContext, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor, guests


class Source:
    """A QEMU at the source of a migration; `crosses`: it changes sides before it is cancelled."""

    def __init__(self, crosses: bool) -> None:
        self.crosses = crosses
        self.migration, self.state = "active", "running"

    def answer(self, command: str, arguments: dict[str, Any]) -> list[Any]:
        match command:
            case "query-migrate":
                return [{"return": {"status": self.migration}}]
            case "query-status":
                return [{"return": {"status": self.state}}]
            case "migrate_cancel":
                self.migration = "cancelled"
                crossed = [{"event": "STOP"}, {"event": "RESUME"}] if self.crosses else []
                return [*crossed, {"return": {}}]
            case "stop" | "cont":
                self.state = "paused" if command == "stop" else "running"
        return [{"return": {}}]


@pytest.fixture
def crossing(
    ctx: HookContext, guest_instance: InstanceSpec, request: pytest.FixtureRequest
) -> Iterator[Source]:
    source = Source(request.param)
    found = guests.guest(ctx, guest_instance.name)
    found.folder.mkdir()
    found.save(guests.Runtime(guest_instance, {}))
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "-pidfile",
                          str(found.pid_file), guest_instance.uuid]) as process,
        fake_qemu(found.control_socket, source.answer),
        fake_qemu(found.query_socket, source.answer),
    ):
        found.pid_file.write_text(str(process.pid))
        yield source
        process.kill()


@pytest.mark.parametrize("crossing", [False], indirect=True)
def test_an_abort_in_time_leaves_the_guest_running(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, crossing: Source
) -> None:
    kvm.migration_abort(ctx, guest_instance.name)
    assert crossing.state == "running"
    assert kvm.migration_status(ctx, guest_instance.name).state == "cancelled"


@pytest.mark.parametrize("crossing", [True], indirect=True)
def test_an_abort_that_crosses_holds_the_guest_until_the_target_was_asked(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, crossing: Source
) -> None:
    kvm.migration_abort(ctx, guest_instance.name)
    assert crossing.state == "paused"
    status = kvm.migration_status(ctx, guest_instance.name)
    assert (status.state, status.message) == (
        "completed", "given up while the guest changed sides")

    # The target has nothing: the master gives up, and the guest goes on here.
    kvm.migration_finish(ctx, guest_instance, True, False)
    assert crossing.state == "running"
    assert kvm.migration_status(ctx, guest_instance.name).state == "cancelled"


@pytest.mark.parametrize("crossing", [False], indirect=True)
def test_a_guest_that_is_changing_sides_is_not_cancelled(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, crossing: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganeti_plugins.hv_kvm.migration.END_LIMIT", 0.1)
    crossing.state = "finish-migrate"
    kvm.migration_abort(ctx, guest_instance.name)
    assert crossing.migration == "active"
