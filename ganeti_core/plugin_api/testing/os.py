"""The conformance of OS definitions: `OsContract`."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import NotSupported, OpPrereqError, OsScriptError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, InstanceSpec
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugin_api.os import OS_DEFINITIONS, OsSpec

from .base import PluginContract
from .calls import Calls
from .footprint import Footprint
from .killing import killed_at_each_step

NOWHERE = "no-such-thing"


class OsContract(PluginContract):
    """Provide `driver`, `instance` and `uninstallable`."""

    kind: ClassVar[Kind[Any]] = OS_DEFINITIONS
    kill_points: ClassVar[int] = 6
    variant: ClassVar[str] = ""
    """The variant that is installed; empty for an OS without variants."""

    @pytest.fixture
    def instance(self) -> InstanceSpec:
        """An instance with disks to install on, their `path` set."""
        raise NotImplementedError("provide a fixture `instance`")

    @pytest.fixture
    def uninstallable(self) -> InstanceSpec:
        """An instance on which this OS cannot be installed, such as one whose disk is missing."""
        raise NotImplementedError("provide a fixture `uninstallable`")

    @pytest.fixture
    def system(self, calls: Calls[OsSpec]) -> OsSpec:
        return calls.of(OsSpec)

    def test_this_node_can_use_it(self, system: OsSpec, ctx: HookContext) -> None:
        info = system.info(ctx=ctx)
        assert info.problem == ""
        assert info.name
        assert info == system.info(ctx=ctx)

    def test_the_variant_under_test_is_offered(self, system: OsSpec, ctx: HookContext) -> None:
        variants = system.info(ctx=ctx).variants
        assert self.variant in (variants or ("",))
        assert len(set(variants)) == len(variants)

    def test_info_and_description_name_the_same_parameters(
        self, system: OsSpec, ctx: HookContext, description: Description
    ) -> None:
        told = {name for name, _ in system.info(ctx=ctx).parameters}
        assert told == set(description.parameters.get("properties", {}))

    def test_parameters_are_strings(self, description: Description) -> None:
        for name, schema in description.parameters.get("properties", {}).items():
            assert schema.get("type") == "string", name

    def test_what_the_instance_asks_for_is_valid(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        system.validate(ctx=ctx, variant=self.variant, params=dict(instance.osparams))

    def test_an_unknown_variant_is_refused(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        with pytest.raises(OpPrereqError, match=NOWHERE):
            system.validate(ctx=ctx, variant=NOWHERE, params=dict(instance.osparams))

    def test_an_unknown_parameter_is_refused(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        with pytest.raises(OpPrereqError, match=NOWHERE):
            system.validate(
                ctx=ctx, variant=self.variant, params={**instance.osparams, NOWHERE: "x"})

    def test_installing_leaves_nothing_but_the_system(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec, footprint: Footprint
    ) -> None:
        system.create(ctx=ctx, instance=instance, variant=self.variant, reinstall=False)
        footprint.assert_unchanged()

    def test_a_system_can_be_installed_again(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        for reinstall in (False, True):
            system.create(ctx=ctx, instance=instance, variant=self.variant, reinstall=reinstall)

    def test_a_failed_installation_says_why_and_leaves_nothing(
        self, system: OsSpec, ctx: HookContext, uninstallable: InstanceSpec, footprint: Footprint
    ) -> None:
        with pytest.raises(OsScriptError) as failure:
            system.create(ctx=ctx, instance=uninstallable, variant=self.variant, reinstall=False)
        assert len(str(failure.value)) > len("failed")
        footprint.assert_unchanged()

    def test_a_killed_installation_can_be_repeated(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        create = functools.partial(
            system.create, ctx=ctx, instance=instance, variant=self.variant, reinstall=False)
        for _ in killed_at_each_step(create, self.kill_points):
            system.create(ctx=ctx, instance=instance, variant=self.variant, reinstall=True)

    def test_an_installed_system_can_be_renamed(
        self, calls: Calls[OsSpec], system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        if "rename" not in calls.hooks:
            with pytest.raises(NotSupported):
                system.rename(
                    ctx=ctx, instance=instance, variant=self.variant, old_name="old.example.com")
            return
        system.create(ctx=ctx, instance=instance, variant=self.variant, reinstall=False)
        system.rename(
            ctx=ctx, instance=instance, variant=self.variant, old_name="old.example.com")
