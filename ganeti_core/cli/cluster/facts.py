"""``gnt-cluster getmaster``, ``version`` and ``master-ping``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core import errors
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.session import Command
from ganeti_core.cli.whereabouts import master_name
from ganeti_core.luxi.client import NoMasterError

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _getmaster(session: Session, _arguments: list[str]) -> int:
    try:
        (name,) = session.client.query_config_values(["master_node"])
    except NoMasterError:
        # Nodes that are not the master know it from a small file.
        name = master_name(session.paths)
        if not name:
            raise
    print(name)
    return 0


def _version(session: Session, _arguments: list[str]) -> int:
    info = session.client.query_cluster_info()
    print(f"Software version: {info['software_version']}")
    print(f"Internode protocol: {info['protocol_version']}")
    print(f"Configuration format: {info['config_version']}")
    print(f"OS api version: {info['os_api_version']}")
    print(f"Export interface: {info['export_version']}")
    print(f"VCS version: {info['vcs_version']}")
    # Last, for scripts that were written for Ganeti; the master of the version before says nothing.
    if "core_version" in info:
        print(f"ganeti-core: {info['core_version']} (what gnt-cluster upgrade counts; the lines"
              " above name the Ganeti with which it is compatible)")
    return 0


def _ping(session: Session, _arguments: list[str]) -> int:
    try:
        session.client.query_cluster_info()
    except errors.GanetiError:
        return EXIT_FAILURE
    return 0


COMMANDS = {
    "getmaster": Command(_getmaster),
    "version": Command(_version),
    "master-ping": Command(_ping),
}
