"""What every hook gets as `ctx`: where it keeps files, how it logs and calls other plugins."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from ganeti_core.errors import NotMaster, NotSupported
from ganeti_core.lazy_dataclass import dataclass


class DriverCaller(Protocol):
    """Calls another plugin on the same node: ``call("disk_templates", NAME, "create", ...)``."""

    def __call__(self, kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        """:raises GanetiError: as the hook's contract says"""


def _no_driver(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
    raise LookupError(f"no plugin host here to call {kind} {name}: {hook}")


class MasterQuery(Protocol):
    """Asks the master: ``query("job", ["id", "status"], ["=", "status", "queued"])``."""

    def __call__(
        self, resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
    ) -> list[list[Any]]:
        """Return a row per object, its values in the order of `fields`; None for what is unknown.

        Resources, fields and filters are those of LUXI's ``Query``, as ``gnt-*`` commands use them.
        ``cluster`` is one row, whatever the filter: its fields are those of ``QueryClusterInfo``.

        :raises NotMaster: this node is not the master, so there is nobody to ask
        :raises GanetiError: the master is down, or there is no such resource or field
        """


def no_master(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
              ) -> list[list[Any]]:
    """Refuse a query: what hooks get elsewhere than on the master node."""
    raise NotMaster(f"the master cannot be asked for {resource} here: hooks may do so on the master"
                    " node only")


@dataclass(frozen=True)
class StreamEndpoint:
    """This node's end of streams, for `plugin_api.transfer`, which alone looks into it.

    :param admits: whether a certificate (DER) is of a node of the cluster
    :param program: receives a stream beside all hooks
    """

    address: str
    server_context: Callable[[], ssl.SSLContext]
    client_context: Callable[[], ssl.SSLContext]
    admits: Callable[[bytes], bool]
    program: tuple[str, ...] = ()


def _no_endpoint() -> StreamEndpoint:
    raise NotSupported("there are no streams between nodes here: this is no node's hook")


@dataclass(frozen=True)
class HookContext:
    """The world of one hook call.

    :param node: name of the node on which the hook runs
    :param root: root of the node's file tree (`GANETI_ROOT`); every path of the cluster lies below
    :param state: the driver's private folder for pid files and sockets; lost at a reboot
    :param keep: the driver's private folder that survives a reboot
    :param logs: folder for log files
    :param log: the logger of this driver
    :param config: settings of the cluster: ``cluster_name``, ``master_netdev``, the lists
        ``os_search_path``, ``iallocator_search_path``, ``disabled_plugins`` and ``uid_pool``
        (pairs: the lowest and the highest user id); ``address``, the node's own; and all that
        drivers declare in `Description.settings`, with their defaults
    :param feedback: writes a line into the job's log
    :param cancelled: whether the job was asked to stop; long hooks ask it now and then
    :param driver: calls another plugin on this node
    :param query: asks the master, where this node is the master
    :param endpoint: this node's end of streams; see `plugin_api.transfer`
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
    query: MasterQuery = no_master
    endpoint: Callable[[], StreamEndpoint] = _no_endpoint
