"""An OS definition in a folder, as a driver."""

from __future__ import annotations

import tempfile
import time
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

from . import environment
from .definition import VERIFY_SCRIPT, WITH_PARAMETERS, Definition, read
from .runner import Script, ScriptFailed, run, run_logged, tail

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
    def validate(self, ctx: HookContext, variant: str, params: dict[str, str]) -> None:
        found = self._usable()
        if variant and variant not in found.variants:
            known = ", ".join(found.variants) or "none"
            raise OpPrereqError(
                f"OS {self.name} has no variant {variant}; it has: {known}", ECODE_INVAL)
        unknown = sorted(params.keys() - dict(found.parameters).keys())
        if unknown:
            raise OpPrereqError(
                "The following parameters are not supported by the OS "
                f"{self.name}: {', '.join(unknown)}", ECODE_INVAL)
        if found.api >= WITH_PARAMETERS:
            _verify_parameters(ctx, found, variant, params)

    @hookimpl
    def create(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool
    ) -> None:
        found = self._for_run()
        env = environment.for_instance(found, variant, instance)
        if reinstall:
            env["INSTANCE_REINSTALL"] = "1"
        log = ctx.logs / _log_name("add", instance, instance.name)
        run_logged(Script(self.folder, "create", env), log, ctx.cancelled)

    @hookimpl
    def rename(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, old_name: str
    ) -> None:
        found = self._for_run()
        env = environment.for_instance(found, variant, instance)
        env["OLD_INSTANCE_NAME"] = old_name
        log = ctx.logs / _log_name("rename", instance, f"{old_name}-{instance.name}")
        run_logged(Script(self.folder, "rename", env), log, ctx.cancelled)

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
            raise OsScriptError(str(exc.args[0])) from exc


def _verify_parameters(
    ctx: HookContext, found: Definition, variant: str, params: dict[str, str]
) -> None:
    env = environment.common(found, variant, params)
    script = Script(found.folder, VERIFY_SCRIPT, env, ("parameters",))
    with tempfile.NamedTemporaryFile(prefix="ganeti-os-verify-") as output:
        try:
            run(script, output, ctx.cancelled, VERIFY_LIMIT)
        except ScriptFailed as exc:
            raise OpPrereqError(
                f"OS {found.name} refuses the parameters: its verify script {exc}: "
                f"{tail(Path(output.name))}", ECODE_INVAL) from exc


def _log_name(what: str, instance: InstanceSpec, whom: str) -> str:
    stamp = time.strftime("%Y-%m-%d_%H_%M_%S")
    return f"{what}-{instance.os}-{whom}-{stamp}.log".replace("/", "_")
