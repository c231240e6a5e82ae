"""Pages of the plugin contracts: hooks, events, the values passed, parameters of our plugins."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.plugin.contracts import Hook, data_shape, digest, hooks, shape
from ganeti_core.cli.plugin.names import KINDS as NAMES
from ganeti_core.plugin_api import (
    authenticator,
    context,
    data,
    extstorage,
    network_services,
    node_findings,
    usage,
)
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.events import EVENTS_GROUP, EventsSpec
from ganeti_core.plugins import PluginHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.plugin_api.kinds import Kind

DATA_MODULES = (context, data, usage, extstorage, network_services, node_findings, authenticator)
OURS = "ganeti-core"
NOTE = "<!-- Written by `python docs/build.py`; changes made here are lost. -->\n"


def pages() -> dict[str, str]:
    """Text by file name."""
    return {
        **{f"hooks-{name}.md": _text(_kind(kind)) for name, kind in KINDS.items()},
        "events.md": _text(_events()), "data.md": _text(_data()),
        "parameters.md": _text(_parameters())}


def shapes() -> dict[str, Any]:
    """The recorded contracts: a change of one must be told in CHANGES.md."""
    return {**{name: shape(kind) for name, kind in KINDS.items()},
            "data": data_shape(*DATA_MODULES)}


def digests() -> dict[str, str]:
    return {name: digest(form) for name, form in shapes().items()}


def _text(lines: Iterator[str]) -> str:
    return NOTE + "\n" + "\n".join(lines) + "\n"


def prose(text: str) -> Iterator[str]:
    """Turn a docstring into Markdown: fields become a list, double backquotes single ones."""
    for line in text.replace("``", "`").splitlines():
        if line.startswith(":"):
            head, _, rest = line[1:].partition(":")
            word, _, name = head.partition(" ")
            yield f"- *{word}*{f' `{name}`' if name else ''}:{rest}"
        else:
            yield line


def _kind(kind: Kind[Any]) -> Iterator[str]:
    title = next(title for plural, title in NAMES.values() if plural == kind.name)
    yield f"# Hooks of {kind.name}"
    yield ""
    yield (f"A {title} is found through the entry-point group `{kind.group}`, a source of them"
           f" through `{kind.sources_group}`. This core speaks API {kind.api} and accepts plugins"
           f" from API {kind.oldest_api} on.")
    for capability, spec in (("", kind.spec), *kind.extensions):
        yield ""
        yield f"## `{spec.__name__}`" + (f", with the capability `{capability}`"
                                         if capability else "")
        yield ""
        yield from prose(inspect.getdoc(spec) or "")
        for hook in hooks(kind):
            if hook.capability == capability:
                yield from _hook(hook)


def _hook(hook: Hook) -> Iterator[str]:
    yield ""
    yield f"### {hook.name}"
    yield ""
    yield "```python"
    yield hook.signature
    yield "```"
    yield ""
    yield f"*{hook.condition}; {hook.runs}*"
    yield ""
    yield from prose(hook.documentation)


def _events() -> Iterator[str]:
    yield "# Events"
    yield ""
    yield f"A subscriber is found through the entry-point group `{EVENTS_GROUP}`."
    yield ""
    yield from prose((inspect.getmodule(EventsSpec).__doc__ or "").partition("\n")[2].strip())
    for name, function in vars(EventsSpec).items():
        if name.startswith("_") or not callable(function):
            continue
        shown = ", ".join(f"{one.name}: {one.annotation}"
                          for one in inspect.signature(function).parameters.values()
                          if one.name != "self")
        yield ""
        yield f"## {name}"
        yield ""
        yield "```python"
        yield f"{name}({shown})"
        yield "```"
        yield ""
        yield from prose(inspect.getdoc(function) or "")


def _data() -> Iterator[str]:
    yield "# Values passed to hooks"
    for module in DATA_MODULES:
        for name, value in vars(module).items():
            if not (isinstance(value, type) and is_dataclass(value)
                    and value.__module__ == module.__name__):
                continue
            yield ""
            yield f"## {name}"
            yield ""
            yield f"`from {module.__name__} import {name}`"
            yield ""
            yield from prose(inspect.getdoc(value) or "")
            yield ""
            for one in fields(value):
                yield f"- `{one.name}: {one.type}`"


def _parameters() -> Iterator[str]:
    yield "# Parameters of the plugins in this distribution"
    host = PluginHost()
    host.load()
    own = {(row.kind, row.name) for row in host.status() if row.distribution == OURS}
    for kind in KINDS.values():
        for name in host.names(kind):
            if (kind.name, name) not in own:
                continue
            told = host.describe(kind, name)
            yield ""
            yield f"## {kind.name}: {name}"
            yield ""
            yield f"{told.title}. API {told.api_version}."
            yield ""
            yield "Capabilities: " + (", ".join(f"`{one}`" for one in sorted(told.capabilities))
                                      or "none") + "."
            yield ""
            if told.preference:
                yield f"Preference where none is named: {told.preference}."
                yield ""
            yield from _table(told.parameters.get("properties", {}))
            if settings := told.settings.get("properties"):
                yield ""
                yield "Settings of the whole cluster:"
                yield ""
                yield from _table(settings, "setting")


def _table(properties: dict[str, Any], what: str = "parameter") -> Iterator[str]:
    if not properties:
        yield "It has no parameters."
        return
    yield f"| {what} | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, one in sorted(properties.items()):
        meaning = " ".join(str(one.get("description", "")).split()).replace("|", "\\|")
        if "enum" in one:
            meaning += "; one of " + ", ".join(f"`{value}`" for value in one["enum"])
        yield (f"| `{name}` | {_type(one)} | `{json.dumps(one.get('default'))}` |"
               f" {meaning} |")


def _type(one: dict[str, Any]) -> str:
    found = one.get("type", "any")
    return found if isinstance(found, str) else " or ".join(found)
