"""Subscribers to events of third parties: a bad one is named and keeps nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stevedore import ExtensionManager
from third_party import install

from ganeti_core.operations.subscribers import MOST_WAITING, Subscribers
from ganeti_core.plugin_registry import PluginStatus
from ganeti_core.spans import Place, Span, within

LISTENING = """
    import os, pathlib, time
    from ganeti_core.plugin_api import hookimpl

    class Listening:
        def note(self, line):
            with pathlib.Path(os.environ["HEARD"], type(self).__name__).open("a") as stream:
                stream.write(line + chr(10))

        @hookimpl
        def instance_created(self, name, nodes):
            self.note(f"created {name} {nodes!r}")

        @hookimpl
        def instance_removed(self, name):
            self.note(f"removed {name}")

    class Moody(Listening):
        @hookimpl
        def instance_removed(self, name):
            self.note(f"begins {name}")
            if name == "hang":
                time.sleep(600)
            if name == "quit":
                os._exit(3)
            if name == "raise":
                raise ValueError("I do not want to know")

    class Deaf:
        pass

    class Mistyped:
        @hookimpl
        def instance_removd(self, name):
            pass
"""


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what subscribers heard, a file each; distributions are found in it, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HEARD", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    # What a process has found among the entry points it finds again.
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    return tmp_path


@pytest.fixture
def begin(heard: Path) -> Iterator[Callable[..., Subscribers]]:
    begun: list[Subscribers] = []

    def start(*disabled: str, seconds: float = 60.0) -> Subscribers:
        subscribers = Subscribers(
            heard / "subscribers.log", lambda: disabled, delivery_seconds=seconds)
        begun.append(subscribers)
        subscribers.begin()
        assert subscribers.loaded(60)
        return subscribers

    yield start
    for subscribers in begun:
        subscribers.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def status(subscribers: Subscribers) -> dict[str, PluginStatus]:
    return {row.name: row for row in subscribers.status()}


def test_events_arrive_in_order_with_the_types_of_their_contract(heard: Path, begin) -> None:
    install(heard, "ganeti-ears", {"events:ears": "Listening"}, LISTENING)
    subscribers = begin()
    for number in range(3):
        subscribers.tell("instance_created", name=f"i{number}", uuid="u", nodes=("a", "b"))
    subscribers.tell("instance_started", name="i", uuid="u", node="a")
    subscribers.tell("instance_removed", name="i0", uuid="u")
    wait_until(lambda: len(lines(heard / "Listening")) == 4)
    assert lines(heard / "Listening") == [
        *(f"created i{number} ('a', 'b')" for number in range(3)), "removed i0"]
    (row,) = subscribers.status()
    assert (row.kind, row.name, row.distribution, row.problem) == (
        "events", "ears", "ganeti-ears", "")
    assert row.title == "Listens to instance_created, instance_removed"


@pytest.mark.parametrize(("mood", "said"), [
    ("hang", "it did not end within 1 s; it and what it had started were killed"),
    ("quit", "its process died (3)"),
    ("raise", "ValueError: I do not want to know"),
])
def test_one_that_misbehaves_is_named_keeps_nobody_and_begins_again(
    heard: Path, begin, mood: str, said: str
) -> None:
    install(heard, "ganeti-ears", {"events:ears": "Listening", "events:moody": "Moody"}, LISTENING)
    subscribers = begin(seconds=1.0 if mood == "hang" else 60.0)
    subscribers.tell("instance_removed", name=mood, uuid="u")
    subscribers.tell("instance_created", name="later", uuid="u", nodes=())
    wait_until(lambda: len(lines(heard / "Listening")) == 2)
    wait_until(lambda: status(subscribers)["moody"].problem == f"instance_removed: {said}"
               or lines(heard / "Moody")[1:] == ["created later ()"])
    wait_until(lambda: len(lines(heard / "Moody")) == 2)
    assert status(subscribers)["ears"].problem == ""


def test_deliveries_are_spans_of_the_job_that_told_of_the_event(heard: Path, begin) -> None:
    install(heard, "ganeti-moody", {"events:moody": "Moody"}, LISTENING)
    subscribers, told, job = begin(), list[Span](), Place.of_job("uuid", 7)
    with within(job, told.append):
        for name in ("well", "raise"):
            subscribers.tell("instance_removed", name=name, uuid="u")
    subscribers.tell("instance_removed", name="untraced", uuid="u")
    wait_until(lambda: "begins untraced" in lines(heard / "Moody"))
    assert [(one.name, one.trace, one.parent, one.error) for one in told] == [
        ("events moody: instance_removed", job.trace, job.span, error) for error in (
            "", "ValueError: I do not want to know")]


def test_the_problem_stays_until_an_event_was_taken(heard: Path, begin) -> None:
    install(heard, "ganeti-moody", {"events:moody": "Moody"}, LISTENING)
    subscribers = begin()
    subscribers.tell("instance_removed", name="raise", uuid="u")
    wait_until(lambda: status(subscribers)["moody"].problem != "")
    assert status(subscribers)["moody"].problem == (
        "instance_removed: ValueError: I do not want to know")
    subscribers.tell("instance_removed", name="well", uuid="u")
    wait_until(lambda: status(subscribers)["moody"].problem == "")


def test_who_cannot_keep_up_loses_events_and_is_named(heard: Path, begin) -> None:
    install(heard, "ganeti-moody", {"events:moody": "Moody"}, LISTENING)
    subscribers = begin(seconds=600.0)
    for number in range(MOST_WAITING + 3):
        subscribers.tell("instance_removed", name="hang" if not number else "x", uuid="u")
    wait_until(lambda: "later ones are lost" in status(subscribers)["moody"].problem)


@pytest.mark.parametrize(("name", "source", "said"), [
    ("Deaf", LISTENING, "nothing of Deaf is marked with @hookimpl"),
    ("Mistyped", LISTENING, "unknown hook 'instance_removd' (is instance_removed meant?)"),
    ("Gone", "import a_library_that_nobody_has", "ModuleNotFoundError"),
    ("Gone", "import os\nos._exit(4)", "cannot be loaded: its process died (4)"),
])
def test_one_that_cannot_be_used_is_refused_by_name(
    heard: Path, begin, name: str, source: str, said: str
) -> None:
    install(heard, "ganeti-bad", {"events:bad": name}, source)
    subscribers = begin()
    assert said in status(subscribers)["bad"].problem
    assert not subscribers.anybody
    subscribers.tell("instance_removed", name="x", uuid="u")


def test_a_disabled_one_is_not_even_loaded(heard: Path, begin) -> None:
    install(heard, "ganeti-bad", {"events:bad": "Gone"}, f"open({str(heard / 'in')!r}, 'w')")
    subscribers = begin("events:bad")
    assert status(subscribers)["bad"].problem == "disabled by the administrator"
    assert not (heard / "in").exists()
