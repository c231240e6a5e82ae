"""The QMP client holds its own against everything that a socket may bring."""

import time
from pathlib import Path
from typing import Any

import pytest
from fake_qemu import GREETING, fake_qemu

from ganeti_core.plugin_api import HypervisorError
from ganeti_plugins.hv_kvm.qmp import Qmp, QmpRefused, QmpUnreachable

OK: dict[str, Any] = {"return": {}}


def answering(*items: Any) -> Any:
    """Accept the handshake, answer everything else with `items`."""
    return lambda command, _: [OK] if command == "qmp_capabilities" else list(items)


def ask(path: Path, limit: float = 5.0) -> Any:
    with Qmp.connect(path, limit) as qmp:
        return qmp.execute("query-status")


def test_an_answer_arrives(tmp_path: Path) -> None:
    with fake_qemu(tmp_path / "s", answering({"return": {"status": "running"}})):
        assert ask(tmp_path / "s") == {"status": "running"}


def test_events_before_the_answer_are_kept(tmp_path: Path) -> None:
    events = [{"event": "STOP"}, {"event": "RESET", "data": {"guest": True}}]
    with (fake_qemu(tmp_path / "s", answering(*events, OK)),
          Qmp.connect(tmp_path / "s") as qmp):
        qmp.execute("stop")
        assert qmp.seen("STOP")
        assert qmp.wait_event("RESET", 5.0, where={"guest": True}) == {"guest": True}


def test_an_answer_in_pieces_arrives(tmp_path: Path) -> None:
    with fake_qemu(tmp_path / "s", answering(b'{"return": ', b'{"a": 1}}\r\n')):
        assert ask(tmp_path / "s") == {"a": 1}


def test_a_late_answer_to_an_earlier_command_is_not_taken(tmp_path: Path) -> None:
    with fake_qemu(tmp_path / "s", answering({"return": "old", "id": -1}, {"return": "new"})):
        assert ask(tmp_path / "s") == "new"


def test_a_refusal_names_command_reason_and_class(tmp_path: Path) -> None:
    error = {"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}}
    with (fake_qemu(tmp_path / "s", answering(error)),
          pytest.raises(QmpRefused, match="query-status: Device 'x' not found") as refusal):
        ask(tmp_path / "s")
    assert refusal.value.error_class == "DeviceNotFound"
    assert isinstance(refusal.value, HypervisorError)


@pytest.mark.parametrize(("items", "problem"), [
    ((None,), "hung up"), ((), "does not answer"), ((b"noise\n",), "not JSON"),
    (({"event": "STOP"},), "does not answer"),
])
def test_what_is_no_answer_is_told(
    tmp_path: Path, items: tuple[Any, ...], problem: str
) -> None:
    with (fake_qemu(tmp_path / "s", answering(*items)),
          pytest.raises(QmpUnreachable, match=problem)):
        ask(tmp_path / "s", limit=0.3)


def test_a_stranger_on_the_socket_is_told(tmp_path: Path) -> None:
    with (fake_qemu(tmp_path / "s", answering(OK), greeting={"hello": 1}),
          pytest.raises(QmpUnreachable, match="not a QMP socket")):
        ask(tmp_path / "s")


def test_events_of_the_client_before_may_come_ahead_of_the_greeting(tmp_path: Path) -> None:
    late = {"event": "JOB_STATUS_CHANGE", "data": {}}
    with fake_qemu(tmp_path / "s", answering({"return": 1}), greeting=[late, late, GREETING]):
        assert ask(tmp_path / "s") == 1


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QmpUnreachable, match="cannot reach QEMU"):
        Qmp.connect(tmp_path / "s")


def test_a_stream_of_events_does_not_prolong_the_wait(tmp_path: Path) -> None:
    flood: list[Any] = [{"event": "NOISE"}] * 20000
    before = time.monotonic()
    with (fake_qemu(tmp_path / "s", answering(*flood)), pytest.raises(QmpUnreachable)):
        ask(tmp_path / "s", limit=0.3)
    assert time.monotonic() - before < 60
