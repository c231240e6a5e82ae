"""Events: numbered, awaited, resumed, and sent as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import NoMasterError
from ganeti_core.luxi.event_log import EventLog
from ganeti_core.model import NodeGroup
from ganeti_core.rapi.events import stream


def with_log(work: Callable[[EventLog], Any], kept: int = 100) -> Any:
    async def run() -> Any:
        return await work(EventLog(asyncio.get_running_loop(), kept))

    return asyncio.run(run())


def test_what_came_since_is_returned_at_once() -> None:
    async def work(log: EventLog) -> None:
        known = (await log.since(None, 60))["last"]
        log.add("job", {"id": 1})
        log.add("job", {"id": 2})

        found = await log.since(known, 60)

        assert [data["id"] for _, _, data in found["events"]] == [1, 2]
        assert (found["last"], found["lost"]) == (log.last, False)
        assert (await log.since(found["last"], 0))["events"] == []

    with_log(work)


def test_who_waits_is_woken() -> None:
    async def work(log: EventLog) -> None:
        waiting = asyncio.create_task(log.since(log.last, 60))
        await asyncio.sleep(0)
        log.add("config", {"serial": 5})

        assert (await waiting)["events"][0][1:] == ["config", {"serial": 5}]

    with_log(work)


def test_what_is_not_kept_any_more_is_told() -> None:
    async def work(log: EventLog) -> None:
        known = log.last
        for number in range(5):
            log.add("job", {"id": number})

        found = await log.since(known, 60)

        assert found["lost"]
        assert [data["id"] for _, _, data in found["events"]] == [3, 4]
        for strange in ("other-1", "x", f"{log.last}0"):
            assert (await log.since(strange, 60))["lost"]

    with_log(work, kept=2)


def job(number: int, status: str, *, final: bool = False) -> Any:
    return SimpleNamespace(id=number, status=status, final=final, summary=lambda: ["NOOP"])


def test_a_job_is_told_once_per_state() -> None:
    async def work(log: EventLog) -> None:
        known = log.last
        for state in (job(1, "queued"), job(1, "running"), job(1, "running"),
                      job(1, "success"), job(1, "success", final=True), None):
            log.job_changed(state)

        found = await log.since(known, 0)

        assert [data["status"] for _, _, data in found["events"]] == [
            "queued", "running", "success"]

    with_log(work)


def test_a_commit_is_told_with_names() -> None:
    async def work(log: EventLog) -> None:
        known = log.last
        log.config_changed(SimpleNamespace(serial=9), [Put(NodeGroup(uuid="u", name="g"))])  # type: ignore[arg-type]  # a part of one

        found = await log.since(known, 60)

        assert found["events"][0][1:] == ["config", {
            "serial": 9, "changed": {"nodegroup": [{"uuid": "u", "name": "g"}]}}]

    with_log(work)


class Scripted:
    """A master that gives one answer after another."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def call(self, _method: str, after: Any, *_more: Any, **_named: Any) -> Any:
        self.asked.append(after)
        answer = self.answers.pop(0)
        if isinstance(answer, GanetiError):
            raise answer
        return answer


def test_a_stream_has_ids_to_resume_from() -> None:
    master = Scripted(
        {"events": [], "last": "r-1", "lost": False},
        {"events": [["r-2", "job", {"id": 7}]], "last": "r-2", "lost": False},
        {"events": [], "last": "s-0", "lost": True})

    async def first(count: int) -> list[bytes]:
        parts = stream(master, None)  # type: ignore[arg-type]  # a fake
        return [await anext(parts) for _ in range(count)]

    parts = asyncio.run(first(4))

    assert parts[1] == b"id: r-1\n\n"
    assert parts[2] == b'id: r-2\nevent: job\ndata: {"id": 7}\n\n'
    assert parts[3] == b"id: s-0\nevent: lost\ndata: {}\n\n"
    assert master.asked == [None, "r-1", "r-2"]


def test_a_stream_outlives_the_master() -> None:
    master = Scripted(NoMasterError("/socket"))

    async def first() -> bytes:
        parts = stream(master, "r-1")  # type: ignore[arg-type]  # a fake
        await anext(parts)
        return await anext(parts)

    assert asyncio.run(first()).startswith(b":")
