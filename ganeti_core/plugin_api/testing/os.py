"""The conformance of OS definitions: `OsContract`."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import GanetiError, NotSupported, OpPrereqError, OsScriptError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, InstanceSpec
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugin_api.os import OS_DEFINITIONS, DiskStream, OsSpec
from ganeti_core.plugin_api.transfer import Offer

from .base import PluginContract
from .calls import Calls
from .footprint import Footprint
from .killing import killed_at_each_step
from .streams import breaking_off, given_to, giving, receiving, sent_by, with_streams

NOWHERE = "no-such-thing"
MIB = 1 << 20


class OsContract(PluginContract):
    """Provide `driver`, `instance` and `uninstallable`."""

    kind: ClassVar[Kind[Any]] = OS_DEFINITIONS
    kill_points: ClassVar[int] = 6
    variant: ClassVar[str] = ""
    """The variant that is installed; empty for an OS without variants."""
    faithful: ClassVar[bool] = True
    """Whether an imported disk has each byte of the exported one, not only the same files."""

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
        system.validate(ctx=ctx, variant=self.variant, params=dict(instance.osparams),
                        force_variant=False)

    def test_an_unknown_variant_is_refused(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        with pytest.raises(OpPrereqError, match=NOWHERE):
            system.validate(ctx=ctx, variant=NOWHERE, params=dict(instance.osparams),
                            force_variant=False)

    def test_a_variant_that_is_forced_is_taken_or_refused(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        with contextlib.suppress(OpPrereqError):
            system.validate(ctx=ctx, variant=NOWHERE, params=dict(instance.osparams),
                            force_variant=True)
        system.validate(ctx=ctx, variant=self.variant, params=dict(instance.osparams),
                        force_variant=True)

    def test_a_variant_must_be_named_where_there_are_some(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        validate = functools.partial(
            system.validate, ctx=ctx, variant="", params=dict(instance.osparams))
        if not system.info(ctx=ctx).variants:
            validate(force_variant=False)
            return
        with pytest.raises(OpPrereqError):
            validate(force_variant=False)

    def test_an_unknown_parameter_is_refused(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        with pytest.raises(OpPrereqError, match=NOWHERE):
            system.validate(
                ctx=ctx, variant=self.variant, params={**instance.osparams, NOWHERE: "x"},
                force_variant=False)

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

    @pytest.fixture
    def streaming(self, ctx: HookContext) -> HookContext:
        """The node, with streams to itself."""
        return with_streams(ctx)

    @pytest.fixture
    def export(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec
    ) -> Callable[[Offer], int]:
        """Export the instance's first disk."""
        return lambda offer: system.export_disk(
            ctx=streaming, instance=instance, variant=self.variant,
            stream=DiskStream(instance.disks[0], offer))

    @pytest.fixture
    def import_(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec
    ) -> Callable[[Offer], int]:
        """Import the instance's first disk, with what the OS has said of the instance."""
        variables = system.os_variables(
            ctx=streaming, instance=instance, variant=self.variant)
        return lambda offer: system.import_disk(
            ctx=streaming, instance=instance, variant=self.variant,
            stream=DiskStream(instance.disks[0], offer, variables))

    def test_an_exported_disk_comes_back(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec,
        export: Callable[[Offer], int], import_: Callable[[Offer], int], footprint: Footprint,
    ) -> None:
        system.create(ctx=streaming, instance=instance, variant=self.variant, reinstall=False)
        disk = Path(instance.disks[0].path)
        before = disk.read_bytes()
        stream = sent_by(streaming, export)
        assert disk.read_bytes() == before, "an export changes nothing"
        with disk.open("r+b") as file:
            file.write(bytes(len(before)))
        given_to(streaming, stream, import_)
        after = disk.read_bytes()
        assert after == before if self.faithful else any(after)
        assert len(after) <= max(instance.disks[0].size * MIB, len(before))
        footprint.assert_unchanged()

    def test_an_export_that_nobody_keeps_has_failed(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec,
        export: Callable[[Offer], int], footprint: Footprint,
    ) -> None:
        system.create(ctx=streaming, instance=instance, variant=self.variant, reinstall=False)

        def full(_data: memoryview) -> None:
            raise OSError("no space left, as the test wants it")

        with receiving(streaming, full) as (offer, _), pytest.raises(GanetiError):
            export(offer)
        footprint.assert_unchanged()

    def test_what_cannot_be_read_is_not_exported(
        self, system: OsSpec, streaming: HookContext, uninstallable: InstanceSpec
    ) -> None:
        if not uninstallable.disks or Path(uninstallable.disks[0].path).exists():
            return
        with (receiving(streaming, lambda data: None) as (offer, done),
              pytest.raises(GanetiError)):
            system.export_disk(ctx=streaming, instance=uninstallable, variant=self.variant,
                               stream=DiskStream(uninstallable.disks[0], offer))
        assert done.exception(60) is not None, "a stream that is not whole must not be kept"

    def test_a_stream_that_breaks_off_is_no_import(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec,
        export: Callable[[Offer], int], import_: Callable[[Offer], int],
    ) -> None:
        system.create(ctx=streaming, instance=instance, variant=self.variant, reinstall=False)
        stream = sent_by(streaming, export)
        with giving(streaming, breaking_off(stream)) as (offer, _), pytest.raises(GanetiError):
            import_(offer)

    def test_variables_are_fit_for_an_environment(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        found = system.os_variables(ctx=ctx, instance=instance, variant=self.variant)
        secret = {instance.osparams[name] for name in instance.secret_osparams}
        for name, value in found.items():
            assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)
            assert "\0" not in value
            assert value not in secret, f"{name} is for everybody to read"
