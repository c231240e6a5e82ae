"""An OS definition in a folder, as a driver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganeti_core.plugin_api import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    Description,
    HookContext,
    InstanceSpec,
    OpPrereqError,
    OsScriptError,
    hookimpl,
)
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.plugin_api.os import DiskStream, check_variant

from . import environment, packages, streams
from .definition import (
    CREATE_UNTRUSTED,
    VERIFY_SCRIPT,
    WITH_PARAMETERS,
    WITH_VARIANTS,
    Definition,
    read,
)
from .logs import Output, new_log
from .runner import Script, ScriptFailed, run, run_logged

VERIFY_LIMIT = 25.0


@dataclass(frozen=True)
class OsScripts:
    """The definition `name` in `folder`; read anew at every call, as the folder may change."""

    name: str
    folder: Path

    @hookimpl
    def describe(self) -> Description:
        found = read(self.name, self.folder)
        properties = {
            name: {"type": "string", "default": "", "description": text or name}
            for name, text in found.parameters}
        return Description(
            api_version=0, title=f"OS scripts in {self.folder}",
            parameters={"type": "object", "properties": properties})

    @hookimpl
    def info(self, ctx: HookContext) -> OsInfo:
        return read(self.name, self.folder).info

    @hookimpl
    def validate(
        self, ctx: HookContext, variant: str, params: dict[str, str], force_variant: bool
    ) -> None:
        found = self._usable()
        # Scripts of an older interface cannot know which variant is meant.
        check_variant(self.name, found.variants, variant,
                      force_variant and found.api >= WITH_VARIANTS)
        if (untold := environment.untold(params)) is not None:
            raise OpPrereqError(
                f"OS {self.name}: the parameter {untold!r} cannot be told to a script: its name "
                "must not be empty nor have '=' or a NUL character, nor its value a NUL character "
                "or what is no text", ECODE_INVAL)
        if found.api < WITH_PARAMETERS:
            return  # it lists no parameters, and gets any
        unknown = sorted(params.keys() - dict(found.parameters).keys())
        if unknown:
            raise OpPrereqError(
                "The following parameters are not supported by the OS "
                f"{self.name}: {', '.join(unknown)}", ECODE_INVAL)
        _verify_parameters(ctx, found, variant, params)

    @hookimpl
    def create(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool
    ) -> None:
        found = self._for_run()
        env = environment.for_instance(found, variant, instance)
        if reinstall:
            env["INSTANCE_REINSTALL"] = "1"
        log = new_log(ctx.logs, "add", instance.os, instance.name)
        run_logged(Script(self.folder, "create", env, secret=instance.secret_osparams), log,
                   ctx.cancelled)

    @hookimpl
    def package(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool, path: str
    ) -> None:
        found = self._for_run()
        if found.is_trusted:
            raise OsScriptError(f"OS {self.name} installs on the node: it has no "
                                f"{CREATE_UNTRUSTED}")
        env = environment.for_helper(found, variant, instance)
        if reinstall:
            env["INSTANCE_REINSTALL"] = "1"
        packages.write(found, env, Path(path))

    @hookimpl
    def rename(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, old_name: str
    ) -> None:
        found = self._for_run()
        env = environment.for_instance(found, variant, instance)
        env["OLD_INSTANCE_NAME"] = old_name
        log = new_log(ctx.logs, "rename", instance.os, f"{old_name}-{instance.name}")
        run_logged(Script(self.folder, "rename", env, secret=instance.secret_osparams), log,
                   ctx.cancelled)

    @hookimpl
    def export_disk(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, stream: DiskStream
    ) -> int:
        return streams.send_output(
            ctx, self._of_disk("export", instance, variant, stream),
            new_log(ctx.logs, "export", instance.os, instance.name), stream)

    @hookimpl
    def import_disk(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, stream: DiskStream
    ) -> int:
        return streams.feed_input(
            ctx, self._of_disk("import", instance, variant, stream),
            new_log(ctx.logs, "import", instance.os, instance.name), stream)

    def _of_disk(
        self, name: str, instance: InstanceSpec, variant: str, stream: DiskStream
    ) -> Script:
        env = environment.for_instance(self._for_run(), variant, instance)
        env |= streams.environment(name.upper(), stream, instance.hypervisor)
        return Script(self.folder, name, env, secret=instance.secret_osparams)

    def _usable(self) -> Definition:
        found = read(self.name, self.folder)
        if found.problem:
            raise OpPrereqError(
                f"OS {self.name} in {self.folder} cannot be used: {found.problem}", ECODE_ENVIRON)
        return found

    def _for_run(self) -> Definition:
        try:
            return self._usable()
        except OpPrereqError as exc:
            raise OsScriptError(exc.message) from exc


def _verify_parameters(
    ctx: HookContext, found: Definition, variant: str, params: dict[str, str]
) -> None:
    env = environment.common(found, variant, params)
    script = Script(found.folder, VERIFY_SCRIPT, env, ("parameters",))
    output = Output(kept=script.hidden.longest)
    try:
        run(script, output, ctx.cancelled, VERIFY_LIMIT)
    except ScriptFailed as exc:
        raise OpPrereqError(
            f"OS {found.name} refuses the parameters: its verify script {exc}: "
            f"{output.tail(script.hidden)}", ECODE_INVAL) from exc
