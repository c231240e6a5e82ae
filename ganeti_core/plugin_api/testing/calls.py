"""Call a driver as the core would: directly, or with everything passed through the wire format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, TypeVar, cast

import pluggy

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.codec import decode_arguments, decode_result, encode
from ganeti_core.plugin_api.kinds import PROJECT, Kind, StandIns

S = TypeVar("S")

CallMode = Literal["direct", "wire"]


@dataclass(frozen=True)
class Calls(Generic[S]):
    """One driver behind its kind's contracts.

    In `mode` ``wire`` arguments, results and errors become JSON and come back by the types that
    the contract names, as between master and node; a value that does not survive this is a fault
    of the driver, or of the test.
    """

    kind: Kind[S]
    manager: pluggy.PluginManager
    hooks: frozenset[str]
    mode: CallMode

    @classmethod
    def to(cls, kind: Kind[S], driver: object, mode: CallMode) -> Calls[S]:
        """Hold `driver` as the plugin host does.

        :raises pluggy.PluginValidationError: it has hooks or parameters that the contract lacks
        """
        manager = pluggy.PluginManager(PROJECT)
        for spec in kind.specs:
            manager.add_hookspecs(spec)
        manager.register(driver)
        manager.check_pending()
        hooks = frozenset(caller.name for caller in manager.get_hookcallers(driver) or ())
        manager.register(StandIns(kind, type(driver).__name__, kind.hooks().keys() - hooks))
        return cls(kind, manager, hooks, mode)

    def of(self, spec: type[S]) -> S:
        """Give an object with the hooks of `spec`, to be called with keywords."""
        return cast("S", _Hooks(self))

    def call(self, hook: str, arguments: dict[str, Any]) -> Any:
        """Call one hook of the driver.

        :raises NotSupported: the driver lacks it
        """
        caller = getattr(self.manager.hook, hook)
        if self.mode == "direct":
            return caller(**arguments)
        return self._over_the_wire(self.kind.hooks()[hook], caller, arguments)

    def _over_the_wire(
        self, contract: Callable[..., Any], caller: Callable[..., Any], arguments: dict[str, Any]
    ) -> Any:
        here = {name: item for name, item in arguments.items() if name == "ctx" or callable(item)}
        sent = {name: _through_json(item) for name, item in arguments.items() if name not in here}
        try:
            result = caller(**here, **decode_arguments(contract, sent, kept=here.keys()))
        except GanetiError as exc:
            raise _arrived(exc) from exc
        arrived = decode_result(contract, _through_json(result))
        assert arrived == result, (
            f"{contract.__name__} answered {result!r}, which arrives as {arrived!r}")
        return arrived


def _arrived(error: GanetiError) -> GanetiError:
    """Rebuild an error as the master has it: of the nearest class of the core, arguments plain."""
    known = next(cls for cls in type(error).__mro__
                 if issubclass(cls, GanetiError) and cls.__module__.startswith("ganeti_core."))
    again = known.__new__(known)
    Exception.__init__(
        again, *(item if isinstance(item, str | int) else str(item) for item in error.args))
    return again


class _Hooks:
    """Attribute access to the hooks of a driver."""

    def __init__(self, calls: Calls[Any]) -> None:
        self._calls = calls

    def __getattr__(self, hook: str) -> Callable[..., Any]:
        return lambda **arguments: self._calls.call(hook, arguments)


def _through_json(value: object) -> Any:
    return json.loads(json.dumps(encode(value), allow_nan=False))


def absent(calls: Calls[Any], hooks: Iterable[str]) -> bool:
    """Return whether the driver has none of `hooks`, so that the host refuses them for it."""
    return calls.hooks.isdisjoint(hooks)
