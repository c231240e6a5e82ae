"""A plugin written for API 0 of os. Frozen: it loads as long as API 0 is accepted."""

from pathlib import Path

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    Description,
    HookContext,
    InstanceSpec,
    OpPrereqError,
    OsScriptError,
    hookimpl,
)
from ganeti_core.plugin_api.data import OsInfo

VARIANTS = ("default", "quiet")
PARAMETERS = {"type": "object", "properties": {"greeting": {
    "type": "string", "default": "hello", "description": "The line that is written"}}}


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest", parameters=PARAMETERS)

    @hookimpl
    def info(self, ctx: HookContext) -> OsInfo:
        """Runs on a node: name in `problem` what is missing there."""
        told = tuple((name, schema["description"])
                     for name, schema in PARAMETERS["properties"].items())
        return OsInfo("oldest", str(Path(__file__).parent), (20,), VARIANTS, told)

    @hookimpl
    def validate(self, ctx: HookContext, variant: str, params: dict[str, str]) -> None:
        if variant not in VARIANTS:
            raise OpPrereqError(f"there is no variant {variant!r}", ECODE_INVAL)
        if unknown := params.keys() - PARAMETERS["properties"].keys():
            raise OpPrereqError(f"there is no parameter {', '.join(unknown)}", ECODE_INVAL)

    @hookimpl
    def create(
        self, ctx: HookContext, instance: InstanceSpec, variant: str, reinstall: bool
    ) -> None:
        greeting = instance.osparams.get("greeting", "hello") if variant == "default" else ""
        try:
            with Path(instance.disks[0].path).open("r+b") as disk:
                disk.write(f"{greeting} {instance.name}\n".encode())
        except (OSError, IndexError) as exc:
            raise OsScriptError(f"cannot install {instance.name}: {exc}") from exc
