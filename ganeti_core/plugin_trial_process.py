"""The process in which foreign plugins are tried out: it loads one entry point after another."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.entry_points import Found, scan
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_files import GROUP, load_file
from ganeti_core.plugins import PluginHost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ask(group: str, name: str, root: Path, settings: Mapping[str, Any]) -> None:
    """Ask a source which drivers there are, as a daemon will."""
    for one in scan(group, lambda _name, _exc: None, lambda found: found == name):
        source: Any = one.extension.obj
        with contextlib.suppress(Exception):
            list(source.drivers(root, settings))


def load(group: str, name: str) -> None:
    """Load it as a daemon will; what it raises is the daemon's to tell."""
    if group == GROUP:
        with contextlib.suppress(Exception):
            found_in = load_file(Path(name))
            PluginHost().try_add(KINDS[found_in.kind], found_in.name, found_in.plugin)
        return
    found: list[Found] = scan(group, lambda _name, _exc: None, lambda one: one == name)
    for kind in KINDS.values():
        if kind.group == group:
            for one in found:
                PluginHost().try_add(kind, name, one.extension.obj)


def main(arguments: Sequence[str]) -> None:
    """Load, and end this process; arguments: where to write a byte after each, groups and names.

    Two more for sources that are to be asked: the root of the node, the settings as JSON.
    """
    logging.disable()
    out = int(arguments[0])
    os.set_inheritable(out, False)
    os.write(out, b".")
    for group, name in json.loads(arguments[1]):
        if arguments[2:]:
            ask(group, name, Path(arguments[2]), json.loads(arguments[3]))
        else:
            load(group, name)
        os.write(out, b".")
    # Threads that a plugin has started do not keep it.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
