"""``gnt-plugin info`` and ``schema``: contracts, and what plugins say of themselves."""

from __future__ import annotations

import inspect
import json
import textwrap
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.plugin.contracts import Hook, hooks
from ganeti_core.cli.plugin.local_host import (
    load_host,
    local_subscribers,
    plugin_names,
    timed_host,
)
from ganeti_core.cli.plugin.names import KINDS as NAMES
from ganeti_core.cli.plugin.names import is_kind, kind_name, plugin_named, split_names
from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpPrereqError
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.events import EVENTS, EVENTS_GROUP, EventsSpec

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ganeti_core.plugin_api.data import Description
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugin_registry import PluginStatus
    from ganeti_core.plugins import PluginHost

WIDTH = 96


def info(options: argparse.Namespace) -> int:
    """Explain what was asked for, one after the other.

    :raises OpPrereqError: there is no such kind or plugin
    """
    # Everything is looked up before anything is printed: a wrong name is found at once.
    parts = [list(_kind(kind_name(words[0])) if _is_kind_alone(words) else _plugin(words))
             for words in split_names(options.what)] or [list(_kinds())]
    print("\n\n".join("\n".join(lines) for lines in parts))
    return 0


def schema(options: argparse.Namespace) -> int:
    """Print JSON: the hooks of a kind, or the parameters of a plugin.

    :raises OpPrereqError: there is no such kind or plugin
    """
    first = options.what[0].partition(":")[0]
    if is_kind(first) and kind_name(first) == EVENTS:
        raise OpPrereqError("subscribers to events have neither hooks nor parameters: see "
                            "gnt-plugin info events", ECODE_INVAL)
    if not _is_kind_alone(options.what):
        host = load_host()
        kind_text, name = plugin_named(options.what, lambda: plugin_names(host))
        document: Any = host.describe(KINDS[kind_text], name).parameters
    else:
        kind = KINDS[kind_name(options.what[0])]
        document = {"kind": kind.name, "group": kind.group, "api": kind.api,
                    "oldest_api": kind.oldest_api,
                    "hooks": {hook.name: hook.to_dict() for hook in hooks(kind)}}
    print(json.dumps(document, indent=2, sort_keys=True))
    return 0


def _is_kind_alone(words: list[str]) -> bool:
    return len(words) == 1 and is_kind(words[0])


def _kinds() -> Iterator[str]:
    host, seconds = timed_host()
    status = host.status()
    yield f"All plugins were loaded in {seconds:.2f} s."
    for singular, (name, title) in NAMES.items():
        kind = KINDS[name]
        ill = sum(1 for row in status if row.kind == name and row.problem)
        yield ""
        yield singular if singular == title else f"{singular}: {title}"
        yield f"  entry points  {kind.group}, {kind.sources_group}"
        yield f"  API           {kind.api}, accepted from {kind.oldest_api} on"
        yield from _list("  hooks         ", [hook.name for hook in hooks(kind)])
        yield (f"  plugins       {', '.join(host.names(kind)) or 'none'}"
               + (f"; {ill} with problems (gnt-plugin list)" if ill else ""))


def _kind(name: str) -> Iterator[str]:
    if name == EVENTS:
        yield from _events()
        return
    kind = KINDS[name]
    yield (f"{kind.name}: entry points {kind.group}, API {kind.api}, accepted from"
           f" {kind.oldest_api} on")
    for spec in kind.specs:
        yield ""
        yield from (inspect.getdoc(spec) or "").splitlines()
    for hook in hooks(kind):
        yield ""
        yield from _described(hook)


def _events() -> Iterator[str]:
    yield f"{EVENTS}: entry points {EVENTS_GROUP}"
    yield ""
    yield from (inspect.getdoc(inspect.getmodule(EventsSpec)) or "").splitlines()
    for name, function in vars(EventsSpec).items():
        if not name.startswith("_"):
            taken = [one for one in inspect.signature(function).parameters if one != "self"]
            yield ""
            yield f"{name}({', '.join(taken)})"
            yield from textwrap.indent(inspect.getdoc(function) or "", "    ").splitlines()


def _described(hook: Hook) -> Iterator[str]:
    yield hook.signature
    yield f"    [{hook.condition}; {hook.runs}]"
    yield from textwrap.indent(hook.documentation, "    ").splitlines()


def _list(title: str, names: list[str]) -> list[str]:
    return textwrap.wrap(", ".join(names), WIDTH, initial_indent=title,
                         subsequent_indent=" " * len(title))


def _plugin(words: list[str]) -> Iterator[str]:
    host = load_host()
    kind_text, name = plugin_named(words, lambda: plugin_names(host))
    if kind_text == EVENTS:
        yield from _subscriber(name)
        return
    kind = KINDS[kind_text]
    status = next((row for row in host.status() if (row.kind, row.name) == (kind.name, name)), None)
    if status is None:
        known = ", ".join(host.names(kind)) or "none"
        raise OpPrereqError(f"there is no {kind.title} {name} (there are: {known})", ECODE_NOENT)
    yield f"{kind.name}:{name}"
    yield from _origin(status)
    if not status.problem:
        yield from _facts(kind, host.describe(kind, name), host, name)


def _subscriber(name: str) -> Iterator[str]:
    rows = {row.name: row for row in local_subscribers()}
    if name not in rows:
        raise OpPrereqError(f"there is no subscriber to events {name} (there are: "
                            f"{', '.join(rows) or 'none'})", ECODE_NOENT)
    yield f"{EVENTS}:{name}"
    yield from _origin(rows[name])
    yield f"  title         {rows[name].title}"


def _origin(status: PluginStatus) -> Iterator[str]:
    origin = f"{status.distribution} {status.version}" if status.distribution else "this host"
    yield f"  distribution  {origin}"
    yield f"  health        {status.problem or 'ok'}"
    if status.note:
        yield f"  note          {status.note}"
    yield f"  load time     {status.seconds * 1000:.1f} ms"


def _facts(
    kind: Kind[Any], description: Description, host: PluginHost, name: str
) -> Iterator[str]:
    yield f"  title         {description.title}"
    yield f"  API           {description.api_version} (this core speaks {kind.api})"
    yield f"  state version {description.state_version}"
    yield f"  capabilities  {', '.join(sorted(description.capabilities)) or 'none'}"
    yield from _list("  hooks         ", sorted(host.offers(kind, name)))
    properties = description.parameters.get("properties", {})
    yield "  parameters" + ("" if properties else "    none")
    for key, one in sorted(properties.items()):
        told = " ".join(str(one.get("description", "")).split())
        words = one.get("type", "") if isinstance(one.get("type"), str) else "any"
        yield f"    {key} ({words}, default {json.dumps(one.get('default'))})"
        yield from textwrap.wrap(told, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
