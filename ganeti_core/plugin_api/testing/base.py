"""What the kit asks of a plugin of any kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from jsonschema.validators import validator_for

from ganeti_core.errors import NotSupported
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.kinds import Kind

from .calls import CallMode, Calls, absent
from .contexts import declared_settings, make_context
from .footprint import Footprint


class PluginContract:
    """Base of the classes per kind; the fixtures here may be replaced by a plugin's own.

    A subclass must provide `driver`. Hooks are called with everything passed through the wire
    format: what passes so passes directly, too.
    """

    kind: ClassVar[Kind[Any]]
    kill_points: ClassVar[int] = 12
    """At how many of a hook's steps it is killed, one after the other."""

    @pytest.fixture
    def driver(self) -> object:
        """The plugin, new."""
        raise NotImplementedError("provide a fixture `driver`")

    @pytest.fixture
    def call_mode(self) -> CallMode:
        """How hooks are called."""
        return "wire"

    @pytest.fixture
    def calls(self, driver: object, call_mode: CallMode) -> Calls[Any]:
        """The driver behind its contract."""
        return Calls.to(self.kind, driver, call_mode)

    @pytest.fixture
    def description(self, calls: Calls[Any]) -> Description:
        described: Description = calls.call("describe", {})
        return described

    @pytest.fixture
    def ctx(self, tmp_path: Path, driver: object) -> HookContext:
        """The node on which hooks run."""
        return make_context(tmp_path / "node1", "node1.example.com",
                            config=declared_settings(driver))

    @pytest.fixture
    def more_footprint(self) -> Callable[[], Iterable[str]]:
        """Return what else to watch for leftovers: devices, interfaces, mounts; a name each."""
        return tuple

    @pytest.fixture
    def footprint(
        self, ctx: HookContext, more_footprint: Callable[[], Iterable[str]]
    ) -> Footprint:
        """The node as it was before the test acted."""
        return Footprint((ctx,), more_footprint)

    def test_describe_names_an_api_version_that_the_core_speaks(
        self, description: Description
    ) -> None:
        assert self.kind.oldest_api <= description.api_version <= self.kind.api
        assert description.state_version >= 1

    def test_describe_has_a_title_for_people(self, description: Description) -> None:
        assert description.title.strip()
        assert "\n" not in description.title

    def test_describe_is_the_same_each_time(
        self, calls: Calls[Any], description: Description
    ) -> None:
        assert calls.call("describe", {}) == description

    def test_parameters_are_a_json_schema(self, description: Description) -> None:
        schema = description.parameters
        validator_for(schema).check_schema(schema)
        assert schema.get("type") == "object"
        assert isinstance(schema.get("properties", {}), dict)

    def test_every_parameter_tells_type_default_and_meaning(
        self, description: Description
    ) -> None:
        for name, schema in description.parameters.get("properties", {}).items():
            assert "type" in schema or "enum" in schema or "anyOf" in schema, f"{name}: no type"
            per_disk = schema.get("x-disk", False)
            assert per_disk or "default" in schema, f"{name}: no default"
            assert schema.get("description", "").strip(), f"{name}: no description"

    def test_defaults_keep_the_schema(self, description: Description) -> None:
        schema = description.parameters
        jsonschema.validate(defaults(description), schema)

    def test_required_hooks_are_there(self, calls: Calls[Any]) -> None:
        required = hooks_of(self.kind.spec) - self.kind.optional
        assert not required - calls.hooks

    def test_capabilities_and_hooks_agree(
        self, calls: Calls[Any], description: Description
    ) -> None:
        """What is declared is there whole; what is not is absent, so that the host refuses it."""
        for capability, spec in self.kind.extensions:
            hooks = hooks_of(spec)
            if capability in description.capabilities:
                required = hooks - self.kind.optional
                assert not required - calls.hooks, f"{capability} is promised, hooks are missing"
            else:
                assert absent(calls, hooks), f"{capability} is not promised, hooks are there"

    def test_what_is_not_offered_is_refused(self, calls: Calls[Any]) -> None:
        for name, contract in self.kind.hooks().items():
            if name not in calls.hooks and name not in dict(self.kind.defaults):
                nothing = dict.fromkeys(
                    one for one in inspect.signature(contract).parameters if one != "self")
                with pytest.raises(NotSupported, match=name):
                    getattr(calls.manager.hook, name)(**nothing)

    def test_hooks_take_plain_parameters(self, calls: Calls[Any], driver: object) -> None:
        """Defaults and keyword-only parameters do not work with every version of pluggy."""
        for hook in calls.hooks:
            for parameter in inspect.signature(getattr(driver, hook)).parameters.values():
                assert parameter.default is parameter.empty, f"{hook}: {parameter} has a default"
                assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD, f"{hook}: {parameter}"


def hooks_of(spec: type) -> frozenset[str]:
    """Name the hooks of one contract."""
    return frozenset(name for name, value in vars(spec).items()
                     if not name.startswith("_") and callable(value))


def defaults(description: Description) -> dict[str, Any]:
    """Tell a plugin's parameters with their defaults, as the core fills them in."""
    properties = description.parameters.get("properties", {})
    return {name: schema["default"] for name, schema in properties.items() if "default" in schema}


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run `acts` in threads that begin together; return their results in order."""
    with ThreadPoolExecutor(len(acts)) as pool:
        futures = [pool.submit(act) for act in acts]
        return [future.result(timeout=120) for future in futures]
