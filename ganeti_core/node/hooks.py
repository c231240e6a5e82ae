"""Run one hook in this process: decode, call, encode; every failure becomes a typed error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import ECODE_INVAL, GanetiError, NotSupported, OpPrereqError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.logs import note_left_out
from ganeti_core.node.world import UNHEARD, Asked, World, find_kind
from ganeti_core.plugin_api import codec
from ganeti_core.readable import readable
from ganeti_core.rpc.wire import Envelope, failure, success

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.plugin_api.kinds import Kind, Where

log = logging.getLogger(__name__)

ERROR = 10_000
"""Characters of a hook's error that reach the job: the tails of a program's streams fit."""


@dataclass(frozen=True)
class HookRequest:
    """Which hook, with what; arguments and settings are plain JSON."""

    kind: str
    driver: str
    hook: str
    arguments: dict[str, Any]
    settings: dict[str, Any]

    @classmethod
    def from_args(cls, args: Mapping[str, Any]) -> Self:
        """Read the `args` of a hook call.

        :raises OpPrereqError: they are not those of a hook call
        """
        match args:
            case {"kind": str(kind), "driver": str(driver), "hook": str(hook),
                  "arguments": dict(arguments), **rest}:
                settings = rest.get("settings") or {}
                if isinstance(settings, dict):
                    return cls(kind, driver, hook, arguments, settings)
        raise OpPrereqError("a hook call needs kind, driver, hook and arguments", ECODE_INVAL)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @property
    def plugin(self) -> str:
        return f"{self.kind} {self.driver}"

    @property
    def title(self) -> str:
        return f"{self.plugin}: {self.hook}"

    def where(self) -> Where:
        """:raises GanetiError: as `function`"""
        function(self)
        return find_kind(self.kind).hook_where(self.hook)


def function(request: HookRequest) -> Callable[..., Any]:
    """Find the hook in the contract of its kind.

    :raises OpPrereqError: there is no such kind
    :raises NotSupported: the kind has no such hook in this version
    """
    kind: Kind[Any] = find_kind(request.kind)
    try:
        return kind.hooks()[request.hook]
    except KeyError:
        raise NotSupported(f"{request.kind} have no hook {request.hook} on this node") from None


def run_hook(world: World, request: HookRequest, asked: Asked = UNHEARD) -> Any:
    """Call the hook and return its result as plain JSON.

    :raises GanetiError: what the hook raised; `PluginError` for what its contract does not name
    """
    spec = function(request)
    kind = find_kind(request.kind)
    try:
        arguments = codec.decode_arguments(spec, request.arguments)
    except TypeError as exc:
        raise OpPrereqError(f"{request.title}: {exc}", ECODE_INVAL) from exc
    hook = world.hook(kind, request.driver, request.hook, request.settings, asked)
    if "ctx" in spec.__code__.co_varnames[: spec.__code__.co_argcount]:
        arguments["ctx"] = world.context(request.kind, request.driver, request.settings, asked)
    try:
        result = hook(**arguments)
        codec.check_result(spec, result)
        return codec.encode(result)
    except GanetiError:
        raise
    except (Exception, SystemExit) as exc:  # wall: foreign code
        log.exception("plugin %s failed", request.title)
        said = str(exc) or "no message"
        raise PluginError.in_hook(request.title, f"{type(exc).__name__}: {said}") from exc
    finally:
        note_left_out(f"plugin.{request.kind}.{request.driver}")


def hook_envelope(world: World, request: HookRequest, asked: Asked = UNHEARD) -> Envelope:
    """Run the hook and wrap what came of it."""
    try:
        return success(run_hook(world, request, asked))
    except GanetiError as exc:
        return hook_failure(exc, request)


def hook_failure(error: GanetiError, request: HookRequest) -> Envelope:
    """Wrap an error of a hook; its words are foreign, and may come from foreign programs."""
    error.args = tuple(readable(argument, ERROR) if isinstance(argument, str) else argument
                       for argument in error.args)
    return failure(error, plugin=request.plugin, hook=request.hook)
