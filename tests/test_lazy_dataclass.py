"""Data classes that are made when they are needed: no difference but the time of it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from types import ModuleType
from typing import Any, ClassVar

import pytest

from ganeti_core.lazy_dataclass import dataclass, make_all


def classes() -> tuple[Any, Any]:
    """Return a class of which nothing was asked yet, and one that inherits from it."""
    @dataclass(frozen=True, kw_only=True)
    class Base:
        kind: ClassVar[str] = "base"
        size: int = 1
        tags: list[str] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Derived(Base):
        name: str
        length: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.name))

    return Base, Derived


def is_made(cls: type) -> bool:
    return isinstance(vars(cls)["__dataclass_fields__"], dict)


def test_a_class_is_made_with_its_first_object() -> None:
    base, derived = classes()
    assert not is_made(base)
    assert not is_made(derived)
    one = derived(name="web")
    assert is_made(base)
    assert is_made(derived)
    assert (one.size, one.tags, one.name, one.length, one.kind) == (1, [], "web", 3, "base")


def test_objects_are_those_of_the_standard_decorator() -> None:
    _, derived = classes()
    one, same, other = derived(name="web"), derived(name="web"), derived(name="mail", size=2)
    assert one == same != other
    assert repr(one).endswith("Derived(size=1, tags=[], name='web', length=3)")
    assert asdict(replace(other, name="x")) == {"size": 2, "tags": [], "name": "x", "length": 1}
    with pytest.raises(FrozenInstanceError):
        one.name = "other"
    with pytest.raises(TypeError, match="'name'"):
        derived()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        derived(name="web", colour="red")


def test_whoever_asks_for_fields_is_answered() -> None:
    base, derived = classes()
    assert [one.name for one in fields(derived)] == ["size", "tags", "name", "length"]
    assert is_made(base)
    lone, _ = classes()
    assert is_dataclass(lone)
    assert [one.name for one in fields(lone)] == ["size", "tags"]


def test_whoever_asks_for_the_signature_is_answered() -> None:
    base, derived = classes()
    assert list(inspect.signature(derived).parameters) == ["size", "tags", "name"]
    assert is_made(base)
    assert list(inspect.signature(base).parameters) == ["size", "tags"]

    class Plain(classes()[0]):
        pass

    assert list(inspect.signature(Plain).parameters) == ["size", "tags"]


def test_a_class_that_only_inherits_is_one_too() -> None:
    base, _ = classes()

    class Plain(base):
        pass

    assert Plain(size=3).size == 3
    assert [one.name for one in fields(Plain)] == ["size", "tags"]


def test_objects_can_be_hashed_and_ordered_as_asked() -> None:
    @dataclass(frozen=True, order=True)
    class Pair:
        left: int
        right: int = 0

    @dataclass
    class Changing:
        value: int

    assert {Pair(1): "one"}[Pair(1, 0)] == "one"
    assert max(Pair(1, 5), Pair(2)) == Pair(2)
    changing = Changing(1)
    changing.value = 2
    assert changing == Changing(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(changing)


def test_what_cannot_wait_is_made_at_once() -> None:
    @dataclass(slots=True)
    class Slotted:
        value: int = 1

    @dataclass
    class Written:
        value: int = 1

        def __init__(self) -> None:
            self.value = 7

    assert is_made(Slotted)
    assert is_made(Written)
    assert Slotted.__slots__ == ("value",)
    assert Written().value == 7


def test_many_threads_may_make_the_first_object() -> None:
    """None may meet a class that is half made."""
    many = 6

    def make(derived: Any, barrier: threading.Barrier) -> bool:
        barrier.wait()
        return bool(derived(name="web") == derived(name="web"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(many) as pool:
            for _ in range(100):
                derived, barrier = classes()[1], threading.Barrier(many)
                made = [pool.submit(make, derived, barrier) for _ in range(many)]
                assert [one.result() for one in made] == [True] * many
    finally:
        sys.setswitchinterval(before)


def test_those_of_a_package_can_be_made_before_processes_are_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, outside = classes(), classes()
    for found, name in ((inside, "some.package.module"), (outside, "some.package_of_others")):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        for cls in found:
            cls.__module__ = name
    assert set(make_all("some.package")) == set(inside)
    assert [is_made(cls) for cls in (*inside, *outside)] == [True, True, False, False]


@pytest.mark.parametrize("step", range(1, 3400, 53))
def test_a_class_whose_making_was_interrupted_is_made_the_next_time(step: int) -> None:
    """By a signal, for example, or because the stack was deep."""
    _, derived = classes()
    lines = 0

    def interrupt(*_: object) -> Any:
        nonlocal lines
        lines += 1
        if lines == step:
            raise KeyboardInterrupt
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        derived(name="web")
    except KeyboardInterrupt:  # not by `suppress`, which would be traced as well
        pass
    finally:
        sys.settrace(before)
    assert derived(name="web") == derived(name="web")
    with pytest.raises(FrozenInstanceError):
        derived(name="web").name = "other"


def test_a_class_that_is_written_wrongly_says_so_each_time() -> None:
    @dataclass
    class Wrong:
        tags: list[str] = []

    for _ in range(2):
        with pytest.raises(ValueError, match="mutable default"):
            Wrong()


def test_a_daemon_starts_without_the_opcodes_that_nobody_sent() -> None:
    code = ("import ganeti_core.daemons.masterd\n"
            "from ganeti_core.opcodes.registry import OPCODES\n"
            "for cls in OPCODES.values():\n"
            "    if isinstance(vars(cls)['__dataclass_fields__'], dict):\n"
            "        print(cls.__name__)")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
