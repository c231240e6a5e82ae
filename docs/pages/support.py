"""The page of what each driver of this distribution can do, from what the drivers declare."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugins import PluginHost

from .contracts import NOTE, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.plugin_api.kinds import Kind

YES, NO = "yes", ""
RECORD = Path(__file__).parent.parent / "conformance.json"
"""What `python docs/conformance.py` has recorded."""
OUTCOMES = ("passed", "not promised", "skipped", "failed")


def pages() -> dict[str, str]:
    """Text by file name."""
    return {"support.md": NOTE + "\n" + "\n".join(_page()) + "\n"}


def _page() -> Iterator[str]:
    yield "# What each driver can do"
    yield ""
    yield ("From what the drivers of this distribution declare. The conformance kit holds them to"
           " it: what is declared must work, and what is not must be refused by name. `gnt-plugin"
           " info KIND:NAME` says the same of any installed driver.")
    yield ""
    yield ("The rows of the kit count its tests as they ended when it was last run on the drivers"
           " (`python docs/conformance.py`): passed; about what the driver does not promise;"
           " skipped, where that machine lacked something; failed. What is not promised is listed"
           " below its table. Sources of drivers are measured by one driver that they list.")
    host = PluginHost()
    host.load()
    own = {(row.kind, row.name) for row in host.status() if row.distribution == OURS}
    for kind in KINDS.values():
        names = [name for name in host.names(kind) if (kind.name, name) in own]
        if names:
            yield from _table(host, kind, names)
        if lines := list(_kit(kind.name, names)):
            yield from ("", *lines)


def _table(host: PluginHost, kind: Kind[Any], names: list[str]) -> Iterator[str]:
    yield ""
    yield f"## {kind.name}"
    yield ""
    yield f"| | {' | '.join(f'`{name}`' for name in names)} |"
    yield f"|---|{'---|' * len(names)}"
    declared = {name: host.describe(kind, name) for name in names}
    known = {capability for capability, _ in kind.extensions} | {
        one for one in kind.capabilities if not one.endswith(":")}
    for capability in sorted(known | {
            one for description in declared.values() for one in description.capabilities}):
        cells = [YES if capability in declared[name].capabilities else NO for name in names]
        yield _row(f"`{capability}`", cells)
    for hook in sorted(kind.optional - dict(kind.defaults).keys()):
        yield _row(f"hook `{hook}`", [YES if hook in host.offers(kind, name) else NO
                                      for name in names])
    if kind is DISK_TEMPLATES:
        yield _row("nodes of an instance", [str(declared[name].nodes) for name in names])
    yield _row("API", [str(declared[name].api_version) for name in names])
    counts = [_counts(kind.name, name) for name in names]
    for outcome in OUTCOMES:
        if any(count[outcome] for count in counts):
            yield _row(f"kit: {outcome}", [str(count[outcome] or "") for count in counts])


def _kit(kind: str, names: list[str]) -> Iterator[str]:
    """What drivers do not promise, test by test, and how those of sources did."""
    results = json.loads(RECORD.read_text())["results"].get(kind, {})
    for name, tests in results.items():
        if name not in names:
            said = ", ".join(f"{number} {outcome}" for outcome in OUTCOMES
                             if (number := _counts(kind, name)[outcome]))
            yield f"- A driver of a source of {kind}, `{name}`: {said}."
        missing = [test.removeprefix("test_").replace("_", " ")
                   for test, outcome in tests.items() if outcome == "not promised"]
        if missing:
            yield f"- Not promised by `{name}`: {'; '.join(missing)}."


def _counts(kind: str, name: str) -> Counter[str]:
    results = json.loads(RECORD.read_text())["results"]
    return Counter(results.get(kind, {}).get(name, {}).values())


def _row(title: str, cells: list[str]) -> str:
    return f"| {title} | {' | '.join(cells)} |"
