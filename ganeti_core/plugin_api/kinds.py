"""What a kind of plugin is: its contracts, entry-point group and API range; the hook markers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import pluggy

from ganeti_core.errors import NotSupported

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

    `place`: on the object's node, or on the master. `changes`: whether it changes the node; such
    hooks run in a worker process that is killed at the deadline, the others in a thread.
    `timeout`: seconds that a call may take where the caller names no other limit.
    `quick`: it changes something but only waits for answers of the kernel or a local socket, so a
    thread is enough.
    """

    place: Place = "node"
    changes: bool = False
    timeout: float = 30.0
    quick: bool = False


def where(
    place: Place = "node", *, changes: bool = False, timeout: float = 30.0, quick: bool = False
) -> Callable[[F], F]:
    """Mark a hook of a contract with where and how it runs; see `Where`."""

    def mark(function: F) -> F:
        setattr(function, _WHERE, Where(place, changes, timeout, quick))
        return function

    return mark


def hook_where(function: object) -> Where:
    """Tell where a contract's hook runs; unmarked hooks are read-only hooks of the node."""
    found = getattr(function, _WHERE, None)
    return found if isinstance(found, Where) else Where()


@dataclass(frozen=True)
class Kind(Generic[S]):
    """One kind of plugin.

    :param name: plural, as in entry-point groups and commands (``hypervisors``)
    :param spec: the contract that every driver must keep
    :param extensions: further contracts by the capability that promises them, kept whole or not
        at all: ``{"live_migration": MigrationSpec}``
    :param api: the version that the core speaks; `oldest_api`: the oldest it still accepts
    :param optional: hooks of `spec` that a driver may lack; the host then answers `NotSupported`
    """

    name: str
    spec: type[S]
    extensions: tuple[tuple[str, type], ...] = ()
    api: int = 0
    oldest_api: int = 0
    optional: frozenset[str] = frozenset()

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

    def hooks(self) -> dict[str, Callable[..., Any]]:
        """Every hook of every contract of this kind, by name."""
        return {
            name: function
            for spec in self.specs
            for name, function in vars(spec).items()
            if not name.startswith("_") and callable(function)
        }

    def hook_where(self, hook: str) -> Where:
        """:raises KeyError: the kind has no such hook"""
        return hook_where(self.hooks()[hook])


class Refusals:
    """Stands in for hooks that a driver lacks and may lack: pluggy alone would answer None."""

    def __init__(self, kind: Kind[Any], name: str, hooks: Iterable[str]) -> None:
        for hook in hooks:
            setattr(self, hook, hookimpl(_refusal(f"{kind.name} {name} does not offer {hook}")))


def _refusal(message: str) -> Callable[[], None]:
    def refuse() -> None:
        raise NotSupported(message)

    return refuse
