"""Settings of the cluster that its drivers declare: checked, and there while one needs them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from jsonschema.validators import validator_for

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS, SETTING_OF
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_settings import Declared, User, declared, filled_settings

if TYPE_CHECKING:
    from ganeti_core.model import Cluster
    from ganeti_core.opcodes.cluster import ClusterSetParams
    from ganeti_core.operations.cluster.settings_context import SettingsContext

DEFAULT = "default"
"""Given as a value it takes the cluster's own back: the drivers' default holds."""
_GANETIS = {setting.name: setting for setting in GANETI_SETTINGS}
_ENABLED_BY = {HYPERVISORS.name: "enabled_hypervisors",
               DISK_TEMPLATES.name: "enabled_disk_templates"}
"""By kind: the field of the cluster that says which of its drivers are enabled; of others, all."""
_SACRED = ("/dev", "/etc", "/home", "/proc", "/root", "/run/ganeti", "/sys", "/var/lib/ganeti",
           "/var/log/ganeti", "/var/run/ganeti")
"""Keys, configurations and devices are here: a disk in one could end the host or the cluster.

Nodes refuse more (programs, libraries), and say so to ``gnt-cluster verify``.
"""


def plan(op: ClusterSetParams, ctx: SettingsContext) -> dict[str, Any]:
    """The new table of settings, if any is asked for.

    :raises OpPrereqError: nobody knows one, or its value cannot be, or cannot change as things are
    """
    asked = {name: value for parameter, name in SETTING_OF.items()
             if (value := getattr(op, parameter)) is not None} | (op.settings or {})
    if not asked:
        return {}
    known = declared(ctx.host)
    stored = dict(ctx.snapshot.cluster.settings)
    for name, value in asked.items():
        if name not in known and name not in _GANETIS:
            raise OpPrereqError(
                f"Unknown setting '{name}': no driver here declares it (there are: "
                f"{', '.join(sorted({*known, *_GANETIS}))})", ECODE_INVAL)
        if value == DEFAULT:
            stored.pop(name, None)
        else:
            stored[name] = _checked(name, known.get(name), value)
    _check_moved(ctx, known, stored)
    return {"settings": stored}


def _checked(name: str, setting: Declared | None, value: Any) -> Any:
    """:raises OpPrereqError: it cannot be a value of this setting (`ECODE_INVAL`)"""
    if setting is None and not isinstance(value, str):
        raise OpPrereqError(f"Invalid value {value!r} of the setting '{name}': text is needed",
                            ECODE_INVAL)
    if setting is not None and value != "":
        schema = setting.schema
        for problem in validator_for(schema)(schema).iter_errors(value):
            raise OpPrereqError(f"Invalid value of the setting '{name}': {problem.message}",
                                ECODE_INVAL)
    return check_folder(name, value) if _is_folder(name, setting) else value


def _is_folder(name: str, setting: Declared | None) -> bool:
    return setting.is_folder if setting else _GANETIS[name].is_folder


def check_folder(name: str, asked: str) -> str:
    """Return the path in normalized form; an empty one means no folder.

    :raises OpPrereqError: it is not a path that may be a folder of disks (`ECODE_INVAL`)
    """
    if not asked:
        return ""
    # Two slashes at the beginning have a meaning of their own to pathlib.
    path = PurePosixPath(f"/{asked.lstrip('/')}" if asked.startswith("/") else asked)
    if not path.is_absolute() or ".." in path.parts or not asked.isprintable():
        raise OpPrereqError(f"The path of {name} is not an absolute, normalized path: {asked!r}",
                            ECODE_INVAL)
    if len(path.parts) == 1 or any(path.is_relative_to(sacred) for sacred in _SACRED):
        raise OpPrereqError(f"The path of {name} must not be '{path}': folders of disks cannot be "
                            f"/, nor in one of {', '.join(_SACRED)}", ECODE_INVAL)
    return str(path)


def _check_moved(
    ctx: SettingsContext, known: dict[str, Declared], stored: dict[str, Any]
) -> None:
    """A folder stays while disks are there, whose paths are those of today.

    :raises OpPrereqError: disks are in one that would change (`ECODE_STATE`)
    """
    before = filled_settings(ctx.host, ctx.snapshot.cluster.settings)
    after = filled_settings(ctx.host, stored)
    for name in before.keys() & {*known, *_GANETIS}:
        old = before[name]
        if not old or old == after.get(name) or not _is_folder(name, known.get(name)):
            continue
        inside = sum(any(isinstance(part, str) and part.startswith(f"{old}/")
                         for part in disk.logical_id) for disk in ctx.snapshot.disks.values())
        if inside:
            raise OpPrereqError(f"{name} cannot be changed: {inside} disk(s) are in {old}",
                                ECODE_STATE)


def check_enabled(ctx: SettingsContext, after: Cluster, values: dict[str, Any]) -> None:
    """See that every enabled driver has the settings that it needs.

    :param values: what changes
    :raises OpPrereqError: one has not (`ECODE_INVAL`)
    """
    before = filled_settings(ctx.host, ctx.snapshot.cluster.settings)
    settings = filled_settings(ctx.host, after.settings)
    for name, setting in declared(ctx.host).items():
        changed = settings[name] != before[name]
        for user in setting.users:
            enabled = _is_enabled(after, user)
            asked = changed or _ENABLED_BY.get(user.kind.name) in values
            if asked and user.needs and enabled and not settings[name]:
                _refuse(setting, user, unset=changed)
            if changed and settings[name] and not enabled and setting.is_folder:
                ctx.warn(f"Specified a {user.name} storage directory, although {user.name} storage "
                         "is not enabled.")


def _is_enabled(cluster: Cluster, user: User) -> bool:
    field = _ENABLED_BY.get(user.kind.name)
    return field is None or user.name in getattr(cluster, field)


def _refuse(setting: Declared, user: User, *, unset: bool) -> None:
    title = f"{user.kind.title} '{user.name}'"
    if not unset:
        raise OpPrereqError(f"{title[0].upper()}{title[1:]} cannot be enabled: {setting.name} is "
                            "not set", ECODE_INVAL)
    if setting.is_folder:
        raise OpPrereqError(
            f"Unsetting the '{user.name}' storage directory while having '{user.name}' storage "
            "enabled is not permitted.", ECODE_INVAL)
    raise OpPrereqError(f"Unsetting {setting.name} while the {title} is enabled is not permitted.",
                        ECODE_INVAL)
