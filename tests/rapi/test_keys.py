"""A submission that is sent twice makes one job."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asked import JOB, Answer, FakeMaster, application, ask, credentials

from ganeti_core.luxi.client import ConnectionLost
from ganeti_core.rapi.application import Application
from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.keys import Key, Keys
from ganeti_core.rapi.request import Request


class Queue(FakeMaster):
    """Numbers its jobs, and lists them."""

    async def submit(self, ops: list[dict[str, Any]], precondition: Any = None) -> int:
        self.jobs.append(ops)
        return JOB + len(self.jobs)

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        assert method == "QueryJobs"
        return [[JOB + 1 + i, ops] for i, ops in enumerate(self.jobs)]


def put(app: Application, path: str, key: str, user: str = "rw", body: bytes = b"") -> Answer:
    return ask(app, "PUT", path, body, {"idempotency-key": key, "content-type":
               "application/json"} | credentials(user))


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def app(tmp_path: Path, queue: Queue) -> Application:
    return application(tmp_path, queue, "rw rwsecret write\nro rosecret write\n")


START = "/2/instances/web1/startup"


def test_the_same_request_is_the_same_job(app: Application, queue: Queue) -> None:
    first, again = put(app, START, "k"), put(app, START, "k")

    assert first.body == again.body == b"%d\n" % (JOB + 1)
    assert len(queue.jobs) == 1


def test_nobody_can_use_up_the_key_of_another(
    app: Application, queue: Queue, tmp_path: Path
) -> None:
    put(app, START, "k")
    note = queue.jobs.pop()[0]["reason"][-1][1]
    put(app, f"{START}?reason={quote(note)}", "other", "ro")

    restarted = application(tmp_path, queue, "rw rwsecret write\n")
    assert put(restarted, START, "k").json == JOB + 2
    assert len(queue.jobs) == 2


def test_another_key_or_user_is_another_job(app: Application, queue: Queue) -> None:
    for key, user in (("a", "rw"), ("b", "rw"), ("a", "ro")):
        put(app, START, key, user)

    assert len(queue.jobs) == 3


@pytest.mark.parametrize(("path", "body"), [
    ("/2/instances/web2/startup", b""), (f"{START}?force=1", b""), (START, b'{"depends": []}')])
def test_a_key_belongs_to_one_request(
    app: Application, queue: Queue, path: str, body: bytes
) -> None:
    put(app, START, "k")

    answer = put(app, path, "k", body=body)

    assert answer.status == 409
    assert str(JOB + 1) in answer.message
    assert len(queue.jobs) == 1


def test_a_daemon_that_was_started_again_knows_it(tmp_path: Path, queue: Queue) -> None:
    first = put(application(tmp_path, queue), START, "k")

    again = put(application(tmp_path, queue), START, "k")

    assert again.body == first.body
    assert len(queue.jobs) == 1


def test_the_key_itself_is_not_in_the_job(app: Application, queue: Queue) -> None:
    put(app, f"{START}?reason=because", "my-secret-key")

    (source, said, _), (library, note, _) = queue.jobs[0][0]["reason"]
    assert (source, said) == ("gnt:user", "because")
    assert library == "gnt:library:rlib2:instances_name_startup"
    assert note.startswith("key:")
    assert "my-secret-key" not in str(queue.jobs)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(app: Application, key: str) -> None:
    assert put(app, START, key).status == 400


def key(text: str = "k") -> Key:
    found = Key.of(Request(("web1",), headers={b"idempotency-key": text.encode()}), "op", "rw")
    assert found is not None
    return found


def test_two_at_once_make_one_job() -> None:
    async def run() -> tuple[list[int], int]:
        submitted: list[int] = []

        async def submit() -> int:
            await asyncio.sleep(0)
            submitted.append(7)
            return 7

        async def jobs() -> list[Any]:
            return []

        keys = Keys(jobs)
        return list(await asyncio.gather(*(keys.submit(key(), submit) for _ in range(5)))), len(
            submitted)

    assert asyncio.run(run()) == ([7] * 5, 1)


def test_who_comes_after_a_failure_waits_for_those_who_have_waited() -> None:
    async def run() -> tuple[list[int | BaseException], int, int]:
        submitted: list[int] = []
        entered, fail, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def refused() -> int:
            await fail.wait()
            raise HttpFailure(HTTPStatus.PRECONDITION_FAILED)

        async def accepted() -> int:
            entered.set()
            await go.wait()
            submitted.append(7)
            return 7

        async def jobs() -> list[Any]:
            return []

        keys = Keys(jobs)
        first, second = (asyncio.create_task(keys.submit(key(), work))
                         for work in (refused, accepted))
        await asyncio.sleep(0)
        fail.set()
        await entered.wait()
        third = asyncio.create_task(keys.submit(key(), accepted))
        for _ in range(10):
            await asyncio.sleep(0)
        go.set()
        found = await asyncio.gather(first, second, third, return_exceptions=True)
        return list(found), len(submitted), len(keys._busy)

    (first, *others), submitted, busy = asyncio.run(run())
    assert isinstance(first, HttpFailure)
    assert (others, submitted, busy) == ([7, 7], 1, 0)


def test_an_answer_that_was_lost_is_looked_up() -> None:
    async def run() -> tuple[int, int]:
        queue: list[Any] = []

        async def lost() -> int:
            queue.append([9, [{"reason": [["gnt:library:rlib2:op", key().note, 0]]}]])
            raise ConnectionLost("gone")

        async def jobs() -> list[Any]:
            return queue

        keys = Keys(jobs)
        with pytest.raises(ConnectionLost):
            await keys.submit(key(), lost)
        return await keys.submit(key(), lost), len(queue)

    assert asyncio.run(run()) == (9, 1)


def test_several_jobs_are_found_again_set_by_set() -> None:
    def job(number: int, part: int) -> list[Any]:
        op = key().noted({"reason": [["gnt:library:rlib2:op", "", 0]]}, part)
        return [number, [op, {"reason": []}]]

    async def run() -> list[list[int]]:
        async def jobs() -> list[Any]:
            return [job(5, 0), job(6, 0), [7, [{"reason": []}]], job(8, 1)]

        async def submit() -> list[list[int]]:
            raise AssertionError("they were submitted already")

        return await Keys(jobs).submit_sets(key(), submit)

    assert asyncio.run(run()) == [[5, 6], [8]]
