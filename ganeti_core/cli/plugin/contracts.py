"""Contracts as people and programs read them: hooks, signatures, where and how they run."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from ganeti_core.plugin_api.kinds import Kind, Where


@dataclass(frozen=True)
class Hook:
    """One hook of a kind.

    :param capability: what a driver must promise to have it; empty for the kind's own contract
    """

    name: str
    signature: str
    documentation: str
    where: Where
    optional: bool
    capability: str
    parameters: dict[str, str]
    result: str

    @property
    def runs(self) -> str:
        """Where and how it is called, in words."""
        if self.where.place == "master" and not self.where.changes:
            return "on the master"
        if not self.where.changes:
            return f"on a node, read-only, at most {self.where.timeout:g} s"
        how = "in a thread" if self.where.quick else "in a process that is killed at the deadline"
        return f"on a {self.where.place}, changes it, {how}, at most {self.where.timeout:g} s"

    @property
    def condition(self) -> str:
        """When a driver must have it, in words."""
        if self.capability:
            return f"with the capability {self.capability}"
        return "optional" if self.optional else "required"

    def to_dict(self) -> dict[str, Any]:
        return {"signature": self.signature, "documentation": self.documentation,
                "parameters": self.parameters, "result": self.result,
                "place": self.where.place, "changes": self.where.changes,
                "timeout": self.where.timeout, "quick": self.where.quick,
                "optional": self.optional, "capability": self.capability}


def hooks(kind: Kind[Any]) -> Iterator[Hook]:
    """Describe every hook of a kind, in the order of its contracts."""
    contracts = (("", kind.spec), *kind.extensions)
    for capability, spec in contracts:
        for name, function in vars(spec).items():
            if not name.startswith("_") and callable(function):
                yield _hook(kind, capability, name, function)


def _hook(kind: Kind[Any], capability: str, name: str, function: Callable[..., Any]) -> Hook:
    parameters = {parameter.name: str(parameter.annotation)
                  for parameter in inspect.signature(function).parameters.values()
                  if parameter.name != "self"}
    result = str(inspect.signature(function).return_annotation)
    shown = ", ".join(f"{one}: {annotation}" for one, annotation in parameters.items())
    return Hook(name, f"{name}({shown}) -> {result}", inspect.getdoc(function) or "",
                kind.hook_where(name), name in kind.optional, capability, parameters, result)


def shape(kind: Kind[Any]) -> dict[str, Any]:
    """What drivers of a kind rely on: hooks without their documentation, and the API range."""
    return {"api": kind.api, "oldest_api": kind.oldest_api, "hooks": {
        hook.name: {key: value for key, value in hook.to_dict().items()
                    if key not in ("documentation", "parameters", "result")}
        for hook in hooks(kind)}}


def data_shape(*modules: ModuleType) -> dict[str, Any]:
    """What drivers rely on of the values passed to hooks: fields, in order, with their types."""
    return {name: [f"{one.name}: {one.type}" for one in fields(value)]
            for module in modules for name, value in sorted(vars(module).items())
            if isinstance(value, type) and is_dataclass(value)
            and value.__module__ == module.__name__}


def digest(form: dict[str, Any]) -> str:
    """A short name for a shape: another shape has another name."""
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:8]
