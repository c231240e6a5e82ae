"""What every hook gets as `ctx`: where it keeps files, how it logs and calls other plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class DriverCaller(Protocol):
    """Calls another plugin on the same node: ``call("disk_templates", "plain", "create", ...)``."""

    def __call__(self, kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        """:raises GanetiError: as the hook's contract says"""


def _no_driver(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
    raise LookupError(f"no plugin host here to call {kind} {name}: {hook}")


@dataclass(frozen=True)
class HookContext:
    """The world of one hook call.

    :param node: name of the node on which the hook runs
    :param root: root of the node's file tree (`GANETI_ROOT`); every path of the cluster lies below
    :param state: the driver's private folder for pid files and sockets; lost at a reboot
    :param keep: the driver's private folder that survives a reboot
    :param logs: folder for log files
    :param log: the logger of this driver
    :param config: node-level settings: ``file_storage_dir``, ``shared_file_storage_dir``,
        ``os_search_path`` (list), ``master_netdev``, ``address`` (the node's own) ...
    :param feedback: tells the job's owner something, one line
    :param cancelled: whether the job was asked to stop; long hooks ask it now and then
    :param driver: calls another plugin on this node
    """

    node: str
    root: Path
    state: Path
    keep: Path
    logs: Path
    log: logging.Logger
    config: Mapping[str, Any] = field(default_factory=dict)
    feedback: Callable[[str], None] = lambda message: None
    cancelled: Callable[[], bool] = lambda: False
    driver: DriverCaller = _no_driver
