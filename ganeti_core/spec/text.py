"""A cluster's file as text: plain YAML, read strictly.

Only mappings, lists, text, numbers, true, false and null. No aliases (a small file could stand for
a huge one), no tags, no name twice, and no words that become something else: ``yes``, ``12:30``
and ``010`` are text, dates too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Hashable

LARGEST = 1 << 25
"""Bytes of a file."""
DEEPEST = 20


class _Loader(yaml.SafeLoader):
    """Builds plain values; refuses what the module's text names."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs do not type it
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _wrong("anchors and aliases (&, *) are not possible", event)
        if getattr(event, "tag", None) is not None:
            raise _wrong(f"the tag {event.tag} is not possible", event)
        if self.depth >= DEEPEST:
            raise _wrong(f"it is nested deeper than {DEEPEST} levels", event)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _wrong(f"a name must be text, quote it: {key.value!r}", key)
            if key.value in seen:
                raise _wrong(f"the name {key.value!r} stands twice in one place", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """``<<`` is a name like any other: it merges nothing."""


_WORDS = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,30})", "-+0123456789"),
    ("float", r"[-+]?[0-9]{1,30}\.[0-9]{0,30}(?:[eE][-+][0-9]{1,3})?", "-+0123456789"),
)
for _name, _pattern, _first in _WORDS:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})$"),
        [letter.replace("\0", "") for letter in _first])


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and lists below their name."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def write(document: Any) -> str:
    """Return plain values as text; `read` gives equal ones."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100,
                     default_flow_style=False)


def in_one_line(value: Any) -> str:
    """Return a plain value as it can be written in a line of a file."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=float("inf"),
                     default_flow_style=True)
    return str(text).removesuffix("...\n").strip()


def read(data: bytes, name: str) -> Any:
    """Return the value that a file holds.

    :param name: of the file, for messages
    :raises OpPrereqError: it is not YAML of the form that is possible (`ECODE_INVAL`)
    """
    if len(data) > LARGEST:
        raise OpPrereqError(f"{name}: {len(data)} bytes are more than the {LARGEST} that are"
                            " possible", ECODE_INVAL)
    try:
        return yaml.load(data.decode(), Loader=_Loader)  # noqa: S506  # a loader of plain values
    except UnicodeDecodeError as exc:
        raise OpPrereqError(f"{name}: byte {exc.start} is not UTF-8", ECODE_INVAL) from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise OpPrereqError(f"{name}:{where} {exc.problem or exc.context}", ECODE_INVAL) from exc
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        first = str(exc).partition("\n")[0]
        raise OpPrereqError(f"{name}: it is not YAML: {first}", ECODE_INVAL) from exc


def _wrong(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)
