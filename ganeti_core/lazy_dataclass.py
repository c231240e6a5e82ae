"""Data classes whose methods are compiled when the first object is made.

The decorator of the standard library writes and compiles about six functions for each class when
its module is imported. That was a third of the time that the master daemon took to start, which a
failover waits for, and most of the classes are never used: opcodes that nobody sends, answers that
nobody asks for. Here a class stays as it was written until an object of it is made, or its fields
or its signature are looked at.

What differs from the standard decorator until then: a default that was given as a ``field`` is not
yet an attribute of the class. Objects that are made without ``__init__``, as by `pickle`, are not
noticed. A class without a docstring gets its name as one, and not its signature.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass as _at_once
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass

_FIELDS, _SIGNATURE = "__dataclass_fields__", "__signature__"
_lock = threading.RLock()
_known: WeakSet[type] = WeakSet()


def make_all(package: str) -> list[type]:
    """Make the data classes of a package's modules that were imported; return them.

    For a process that forks others, each of which would make the same ones.
    """
    found = [cls for cls in list(_known) if f"{cls.__module__}.".startswith(f"{package}.")]
    for cls in found:
        getattr(cls, _FIELDS)
    return found


def _on_demand(cls: Any = None, /, **options: Any) -> Any:
    """Do what `dataclasses.dataclass` does, but not before it is needed.

    Classes with slots, and those that bring an ``__init__`` of their own, are made at once.
    """
    if cls is None:
        return lambda cls: _on_demand(cls, **options)
    if options.get("slots") or not options.get("init", True) or "__init__" in vars(cls):
        return _at_once(cls, **options)

    def make() -> None:
        with _lock:
            if cls.__init__ is not __init__:
                return
            written = dict(vars(cls))
            try:
                delattr(cls, _SIGNATURE)
                _at_once(cls, **{**options, "init": False})
                cls.__init__ = _init_of(cls, frozen=options.get("frozen", False))
            except BaseException:  # a signal, for example: whoever comes next makes it
                _restore(cls, written)
                raise

    def __init__(self: Any, *args: Any, **named: Any) -> None:
        make()
        cls.__init__(self, *args, **named)

    cls.__init__ = __init__
    cls.__doc__ = cls.__doc__ or cls.__name__
    for name in (_FIELDS, _SIGNATURE):
        setattr(cls, name, _OnDemand(name, make))
    _known.add(cls)
    return cls


class _OnDemand:
    """Stand for something of a class that is not made yet: whoever looks at it has it made."""

    def __init__(self, name: str, make: Callable[[], None]) -> None:
        self._name, self._make = name, make

    def __get__(self, _: object, owner: type) -> Any:
        """:raises AttributeError: a made class has none, as all do without ``__signature__``"""
        self._make()
        return getattr(owner, self._name)


def _restore(cls: type, written: dict[str, Any]) -> None:
    """Make a class again what it was when it had these attributes."""
    for name in vars(cls).keys() - written.keys():
        delattr(cls, name)
    for name, value in written.items():
        if vars(cls).get(name, cls) is not value:
            setattr(cls, name, value)


def _init_of(cls: Any, frozen: bool) -> Any:
    """Return the ``__init__`` of a data class that has all but that.

    The decorator adds none to a class that has one; and taking away first the one that makes the
    class would leave other threads, which make objects just then, without any.
    """
    body: dict[str, Any] = {field.name: field for field in fields(cls)}
    body["__annotations__"] = {field.name: field.type for field in fields(cls)}
    body["__module__"], body["__doc__"] = cls.__module__, cls.__doc__
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    holder: Any = type(cls.__name__, (), body)
    return _at_once(holder, repr=False, eq=False, frozen=frozen).__init__


if not TYPE_CHECKING:
    dataclass = _on_demand
