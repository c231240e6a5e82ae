"""What a kind of plugin is: its contracts, entry-point group and API range; the hook markers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import pluggy

from ganeti_core.errors import NotSupported
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.patience import patience

PROJECT = "ganeti"

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Place = Literal["node", "master"]

_WHERE = "ganeti_hook_where"


@dataclass(frozen=True)
class Where:
    """Where and how a hook of a contract runs.

    `place`: on the object's node, or on the master. Every hook of a node runs in a worker process
    that is killed at the deadline. `changes`: whether it changes the node; such a call is recorded,
    and made once at a time per object.
    `timeout`: seconds that a call may take where the caller names no other limit; a read-only hook
    never gets more.
    `quick`: it changes something but only waits for answers of the kernel or a local socket; it
    need not wait for a worker behind long changes, but shares those of read-only hooks.
    """

    place: Place = "node"
    changes: bool = False
    timeout: float = 30.0
    quick: bool = False


LISTED = 8.0
"""Seconds for a read-only hook that listings of instances and nodes ask."""
STREAM_SECONDS = 10 * 24 * 3600.0
"""Seconds for a hook that reads or writes all of a disk, whose streams end when nothing moves."""
LONGEST = 950_000.0
"""Seconds: nodes take no call of a million or more."""


def where(
    place: Place = "node", *, changes: bool = False, timeout: float = 30.0, quick: bool = False
) -> Callable[[F], F]:
    """Mark a hook of a contract with where and how it runs; see `Where`."""

    def mark(function: F) -> F:
        setattr(function, _WHERE, Where(place, changes, timeout, quick))
        return function

    return mark


def hook_where(function: object) -> Where:
    """Return where a contract's hook runs; unmarked hooks are read-only hooks of the node.

    Its time is the one that it has here (`patience`).
    """
    found = getattr(function, _WHERE, None)
    where = found if isinstance(found, Where) else Where()
    if (times := patience()) == 1.0:
        return where
    return replace(where, timeout=min(where.timeout * times, LONGEST))


@dataclass(frozen=True)
class Kind(Generic[S]):
    """One kind of plugin.

    :param name: plural, as in entry-point groups and commands (``hypervisors``)
    :param spec: the contract that every driver must keep
    :param extensions: further contracts by the capability that promises them, kept whole or not
        at all: ``{"live_migration": MigrationSpec}``
    :param api: the version that the core speaks; `oldest_api`: the oldest it still accepts
    :param optional: hooks that a driver may lack; calling one then raises `NotSupported`
    :param defaults: what stands in for a hook that a driver lacks, by the hook's name
    :param capabilities: that a driver may declare beside those of `extensions`
    """

    name: str
    spec: type[S]
    extensions: tuple[tuple[str, type], ...] = ()
    api: int = 0
    oldest_api: int = 0
    optional: frozenset[str] = frozenset()
    defaults: tuple[tuple[str, Callable[..., Any]], ...] = ()
    capabilities: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """One plugin of this kind, in words: ``disk template``."""
        return self.name.replace("_", " ").removesuffix("s") if self.name != "os" else "OS"

    @property
    def group(self) -> str:
        """The entry-point group of this kind's drivers."""
        return f"ganeti.{self.name}"

    @property
    def sources_group(self) -> str:
        """The entry-point group of sources, that list drivers found on the node."""
        return f"ganeti.{self.name}.sources"

    @property
    def specs(self) -> tuple[type, ...]:
        return (self.spec, *(spec for _, spec in self.extensions))

    def hooks(self) -> Mapping[str, Callable[..., Any]]:
        """Every hook of every contract of this kind, by name."""
        return self._hooks

    @cached_property
    def _hooks(self) -> Mapping[str, Callable[..., Any]]:
        return MappingProxyType({
            name: function
            for spec in self.specs
            for name, function in vars(spec).items()
            if not name.startswith("_") and callable(function)
        })

    def hook_where(self, hook: str) -> Where:
        """:raises KeyError: the kind has no such hook"""
        return hook_where(self.hooks()[hook])


class StandIns:
    """Stands in for hooks that a driver lacks and may lack: pluggy alone would return None.

    A hook with a default in its kind gets that one, any other raises `NotSupported`.
    """

    def __init__(self, kind: Kind[Any], name: str, hooks: Iterable[str]) -> None:
        defaults = dict(kind.defaults)
        for hook in hooks:
            refusal = _refusal(f"{kind.name} {name} does not offer {hook}")
            setattr(self, hook, hookimpl(defaults.get(hook, refusal)))


def _refusal(message: str) -> Callable[[], None]:
    def refuse() -> None:
        raise NotSupported(message)

    return refuse
