"""An OS definition in Python with a secret, a private and an ordinary parameter."""

import json
import os
from pathlib import Path

from ganeti_core.plugin_api import Description, HookContext, InstanceSpec, hookimpl
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.plugin_api.os import check_variant

PARAMETERS = {
    "token": {"type": "string", "default": "", "description": "A secret", "x-secret": True},
    "owner": {"type": "string", "default": "", "description": "Private", "x-private": True},
    "suite": {"type": "string", "default": "stable", "description": "What to install"},
}


def note(hook: str, **seen: object) -> None:
    with Path(os.environ["SECRET_OS_NOTES"]).open("a") as notes:
        notes.write(json.dumps({"hook": hook, **seen}) + "\n")


class SecretSystem:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="With secrets", parameters={
            "type": "object", "properties": PARAMETERS})

    @hookimpl
    def info(self, ctx: HookContext) -> OsInfo:
        return OsInfo("secretive", str(Path(__file__).parent), (20,), (),
                      tuple((name, schema["description"]) for name, schema in PARAMETERS.items()))

    @hookimpl
    def validate(self, variant: str, params: dict[str, str]) -> None:
        check_variant("secretive", (), variant)
        note("validate", params=params)

    @hookimpl
    def create(self, instance: InstanceSpec) -> None:
        note("create", params=instance.osparams, secret=instance.secret_osparams)
