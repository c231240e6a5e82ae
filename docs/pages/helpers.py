"""The page of what authors get besides contracts, with its documentation."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import (
    allowed,
    copy_reports,
    device_networks,
    file_disks,
    guest_folders,
    host,
    interface_counters,
    node_programs,
    power,
    processes,
    root_file_systems,
    run,
    stream_ends,
    stream_kept,
    stream_listener,
    transfer,
)

from .contracts import NOTE, prose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MODULES = (run, allowed, host, power, processes, guest_folders, file_disks, copy_reports,
           device_networks, interface_counters, root_file_systems, transfer,
           stream_kept, stream_listener, stream_ends, node_programs)
TOP = frozenset({"run_command", "measure_host"})
"""What `ganeti_core.plugin_api` has itself."""
INTERNAL = frozenset({"kill_group", "describe_exit", "shake", "silent", "writer", "serve_kept",
                      "reset_by"})


def pages() -> dict[str, str]:
    """Text by file name."""
    return {"helpers.md": NOTE + "\n" + "\n".join(_helpers()) + "\n"}


def _helpers() -> Iterator[str]:
    yield "# Helpers"
    yield ""
    yield "Nobody has to use these, and no contract asks for them; they do what many plugins need."
    for module in MODULES:
        yield ""
        yield f"## {module.__name__.removeprefix('ganeti_core.')}"
        yield ""
        yield from prose(inspect.getdoc(module) or "")
        for name, value in _public(module):
            yield ""
            yield f"### {name}"
            yield ""
            yield from _described(name, value)


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        ours = getattr(value, "__module__", "") == module.__name__
        if ours and inspect.getdoc(value) and not name.startswith("_") and name not in INTERNAL:
            yield name, value


def _described(name: str, value: Any) -> Iterator[str]:
    if inspect.isfunction(value):
        where = "ganeti_core.plugin_api" if name in TOP else value.__module__
        yield "```python"
        yield f"{where}.{name}{_signature(value)}"
        yield "```"
        yield ""
    yield from prose(inspect.getdoc(value) or "")
    for method, function in vars(value).items() if inspect.isclass(value) else ():
        if inspect.isfunction(function) and inspect.getdoc(function) and method[0] != "_":
            yield ""
            yield f"#### {method}{_signature(function)}"
            yield ""
            yield from prose(inspect.getdoc(function) or "")


def _signature(function: Any) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(")
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
