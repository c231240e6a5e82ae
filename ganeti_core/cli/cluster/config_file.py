"""``gnt-cluster export-config`` and ``import-config``: Ganeti's ``config.data``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session
    from ganeti_core.config.snapshot import Snapshot


def _export(session: Session, arguments: list[str]) -> int:
    from pathlib import Path

    from ganeti_core.bootstrap.config_file import export_config
    from ganeti_core.rpc.atomic import write_private

    text = export_config(session.paths, own=session.options.all_settings)
    if arguments:
        file = Path(arguments[0])
        if file.is_symlink() or (file.exists() and not file.is_file()):
            # A pipe, or a device: /dev/stdout must stay the link that it is.
            with open(file, "w", opener=_private) as stream:
                stream.write(text)
        else:
            # Private parameters are in it: nobody else may read it, whatever was there before.
            write_private(file, text.encode())
    else:
        sys.stdout.write(text)
    return 0


def _private(file: str, flags: int) -> int:
    """Open a file, which nobody else may read if it is a new one."""
    return os.open(file, flags, 0o600)


def _import(session: Session, arguments: list[str]) -> int:
    from pathlib import Path

    from ganeti_core.bootstrap.config_file import import_config

    snapshot = import_config(session.paths, Path(arguments[0]))
    others = len(snapshot.nodes) - 1
    print(f"Imported {snapshot.cluster.name}: {len(snapshot.nodes)} node(s),"
          f" {len(snapshot.instances)} instance(s).")
    print("Start ganeti-noded, then ganeti-masterd"
          + (" --no-voting --yes-do-it; then enrol the other nodes with gnt-node add --readd."
             if others else "."))
    for line in _unusable(snapshot):
        print(line, file=sys.stderr)
    return 0


def _unusable(snapshot: Snapshot) -> Iterator[str]:
    """Name the instances for which this host has no plugin: they are kept, and cannot be used."""
    from ganeti_core.plugin_api.disk import DISK_TEMPLATES
    from ganeti_core.plugin_api.hypervisor import HYPERVISORS
    from ganeti_core.plugins import PluginHost

    host = PluginHost()
    host.load([HYPERVISORS, DISK_TEMPLATES])
    for instance in sorted(snapshot.instances.values(), key=lambda one: one.name):
        missing = [f"{kind.title} '{name}'" for kind, name in (
            (HYPERVISORS, instance.hypervisor), (DISK_TEMPLATES, instance.disk_template))
            if not host.has(kind, name)]
        if missing:
            yield (f"WARNING: instance {instance.name} cannot be used here: there is no plugin for"
                   f" the {' and the '.join(missing)}")


COMMANDS = {
    "export-config": Command(_export, "[<file>]", 0, 1, (
        opt.flag("--all", dest="all_settings",
                 help="With settings that Ganeti does not know and would refuse"),)),
    "import-config": Command(_import, "<file>", 1, 1),
}
