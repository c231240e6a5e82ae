"""Settings of the whole cluster that drivers declare: what they are, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.all_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.plugin_api.data import JsonDict
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost


@dataclass(frozen=True)
class User:
    """A driver that uses a setting; `needs`: it does not work without."""

    kind: Kind[Any]
    name: str
    needs: bool


@dataclass(frozen=True)
class Declared:
    """One setting, as the drivers that use it declare it."""

    name: str
    schema: JsonDict
    users: tuple[User, ...]

    @property
    def is_folder(self) -> bool:
        return bool(self.schema.get("x-folder"))


def declared(host: PluginHost) -> dict[str, Declared]:
    """What the drivers of this host declare, by name."""
    found: dict[str, Declared] = {}
    for kind in KINDS.values():
        for driver in host.names(kind):
            schema = host.describe(kind, driver).settings
            for name, one in schema.get("properties", {}).items():
                user = User(kind, driver, name in schema.get("required", ()))
                known = found.get(name)
                found[name] = Declared(name, one, (*(known.users if known else ()), user))
    return found


def filled_settings(host: PluginHost, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all settings: those that are kept, and the drivers' defaults."""
    state = host.state
    defaults = host.remembered.find("settings", state)
    if defaults is None:
        defaults = host.remembered.keep("settings", state, _setting_defaults(host))
    return {**defaults, **stored}


def _setting_defaults(host: PluginHost) -> dict[str, Any]:
    return {name: one["default"]
            for kind in KINDS.values() for driver in host.names(kind)
            for name, one in host.describe(kind, driver).settings.get("properties", {}).items()}


def folder_settings(host: PluginHost, kind: Kind[Any], driver: str) -> list[str]:
    """The settings of a driver that are folders of a node; none of one that is not there."""
    if not host.has(kind, driver):
        return []
    properties = host.describe(kind, driver).settings.get("properties", {})
    return [name for name, schema in properties.items() if schema.get("x-folder")]


def settings_of(host: PluginHost, snapshot: Snapshot) -> dict[str, Any]:
    """Take from the cluster what travels with every hook call; `HookContext.config` documents it.

    A setting of a driver that was never made is there too, with the driver's default.
    """
    cluster = snapshot.cluster
    return {
        **filled_settings(host, cluster.settings),
        "cluster_name": cluster.name,
        "master_netdev": cluster.master_netdev,
        "os_search_path": list(cluster.os_search_path),
        "iallocator_search_path": list(cluster.iallocator_search_path),
        "disabled_plugins": list(cluster.disabled_plugins),
        "uid_pool": [list(ids) for ids in cluster.uid_pool],
    }
