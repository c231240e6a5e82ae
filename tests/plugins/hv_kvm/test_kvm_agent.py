"""Guest agents are asked where they are, and not waited for where they are not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec, unix_sockets
from ganeti_plugins.hv_kvm import KvmHypervisor, agent, guests, lifecycle


@contextmanager
def answering(guest: guests.Guest, answers: dict[str, Any]) -> Iterator[list[str]]:
    """An agent that gives these answers, and notes what it was asked for."""
    guest.folder.mkdir(parents=True)
    listener = unix_sockets.listen(guest.agent_socket)
    asked: list[str] = []

    def serve() -> None:
        client, _ = listener.accept()
        with client, client.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line.lstrip(b"\xff"))
                asked.append(message["execute"])
                if message["execute"] == "guest-sync":
                    answer = {"return": message["arguments"]["id"]}
                elif message["execute"] in answers:
                    answer = answers[message["execute"]]
                else:
                    continue
                client.sendall(json.dumps({"event": "noise"}).encode() + b"\n"
                               if message["execute"] == "guest-sync" else b"")
                client.sendall(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.fixture
def guest(ctx: HookContext, guest_instance: InstanceSpec) -> guests.Guest:
    return guests.guest(ctx, guest_instance.name)


def test_an_agent_is_asked_to_shut_down(guest: guests.Guest) -> None:
    with answering(guest, {}) as asked:
        assert agent.shut_down(guest)
    assert asked == ["guest-sync", "guest-shutdown"]


def test_a_guest_that_its_agent_has_shut_down_is_not_waited_for(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `user_shutdown` its QEMU stays."""
    monkeypatch.setattr(lifecycle, "AGENT_PATIENCE", 100_000.0)
    instance = replace(guest_instance, hvparams={
        **guest_instance.hvparams, "use_guest_agent": True, "user_shutdown": True})
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)

    def shut_down(guest: guests.Guest) -> bool:
        with guest.query() as qmp:
            qmp.execute("system_powerdown")
        return True

    monkeypatch.setattr(agent, "shut_down", shut_down)
    stop = threading.Thread(
        target=kvm.stop, args=(ctx, instance, False, 100_000.0), daemon=True)
    stop.start()
    stop.join(120.0)
    assert kvm.info(ctx, instance) is None


def test_file_systems_are_held_and_let_go(guest: guests.Guest) -> None:
    with answering(guest, {"guest-fsfreeze-freeze": {"return": 3}}):
        assert agent.freeze(guest) == 3


def test_what_cannot_be_held_is_let_go(guest: guests.Guest) -> None:
    refusal = {"error": {"class": "GenericError", "desc": "no such device"}}
    with (answering(guest, {"guest-fsfreeze-freeze": refusal,
                            "guest-fsfreeze-thaw": {"return": 0}}) as asked,
          pytest.raises(agent.AgentSilent, match="refused guest-fsfreeze-freeze: no such device")):
        agent.freeze(guest)
    assert asked[-1] == "guest-fsfreeze-thaw"


def test_nobody_on_the_line_is_noticed_soon(
    guest: guests.Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "PRESENCE_LIMIT", 0.2)
    assert not agent.shut_down(guest)  # no line at all
    guest.folder.mkdir(parents=True)
    with unix_sockets.listen(guest.agent_socket):
        assert not agent.shut_down(guest)  # a line, and nobody there
        with pytest.raises(agent.AgentSilent, match="does not answer"):
            agent.thaw(guest)


def test_a_guest_has_an_agent_when_it_was_started_with_one(
    guest: guests.Guest, guest_instance: InstanceSpec
) -> None:
    guest.folder.mkdir(parents=True)
    for used in (True, False):
        params = {**guest_instance.hvparams, "use_guest_agent": used}
        guest.save(guests.Runtime(replace(guest_instance, hvparams=params), {}))
        assert agent.is_used(guest) == used


@pytest.mark.needs_qemu
def test_a_guest_without_an_agent_cannot_be_quiet(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "PRESENCE_LIMIT", 0.2)
    kvm.start(ctx, guest_instance, False)
    with pytest.raises(HypervisorError, match=r"has no guest agent .*use_guest_agent"):
        kvm.quiet(ctx, guest_instance)
    kvm.stop(ctx, guest_instance, True, 0.0)
    params = {**guest_instance.hvparams, "use_guest_agent": True}
    kvm.start(ctx, replace(guest_instance, hvparams=params), False)
    with pytest.raises(agent.AgentSilent, match="does not answer"):
        kvm.quiet(ctx, guest_instance)
    kvm.resume_writes(ctx, guest_instance)  # nothing is held, so nobody is asked
    assert [one.state for one in kvm.running(ctx)] == ["running"]
