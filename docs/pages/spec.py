"""The page of the file that describes a cluster, from its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.spec.schema import SCHEMA

from .contracts import NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW = 3
"""Keys of a mapping that are named where it stands."""
SCHEMA_FILE = "spec.schema.json"
_EXAMPLE = """\
```yaml
version: 1
groups:
  default:
    alloc_policy: preferred
networks:
  lan:
    network: 10.7.0.0/24
    gateway: 10.7.0.1
    groups:
      default: {mode: bridged, link: br0}
instances:
  web.example.com:
    state: up
    os: debian
    disk_template: file
    beparams: {maxmem: 1024, vcpus: 2}
    disks:
      - {name: system, size: 10240}
    nics:
      - {network: lan, ip: pool}
```"""
_RULES = (
    "`gnt-cluster export-spec` writes the running cluster in this form, `gnt-cluster plan FILE`"
    " shows what differs and the jobs that would be made (exit status 0: nothing differs, 2:"
    " something does, 1: an error, or something that cannot be done), `gnt-cluster apply FILE`"
    " submits them as one batch of jobs, in which each stage waits for the one before.",
    "What a file does not name is left as it is: a section, an object, a setting. Lists of"
    " plain values (`enabled_hypervisors`, `reserved_lvs`) are settings and are replaced as a"
    " whole. Tags, reserved addresses, hidden and blacklisted systems, parameters, devices and"
    " objects are added and changed, and only removed with `--prune`, which takes away what the"
    " file lacks in the sections, objects and lists that it has. Where disks would be lost, `apply"
    " --prune` asks, or wants `--yes-do-it`. Nodes are never added or removed.",
    "The value `default` of a parameter means that it is inherited. Secret and private OS"
    " parameters have no place in a file.",
    "A disk is known by its name, or else by its place; a network card by its name, its MAC"
    " address, or its place. What cannot be changed in place (a smaller disk, another disk"
    " template, hypervisor or node, a network's range) is refused by name, and nothing is done.",
    "The file is YAML of plain values: no anchors and aliases, no tags, no name twice. Only"
    " `true`, `false` and `null` are words of their own; `yes`, `12:30` and `010` are text.")


def pages() -> dict[str, str]:
    """Text by file name."""
    return {"spec.md": NOTE + "\n" + "\n".join(_page()) + "\n",
            SCHEMA_FILE: json.dumps(SCHEMA, indent=1) + "\n"}


def _page() -> Iterator[str]:
    yield "# The file that describes a cluster"
    for rule in _RULES:
        yield ""
        yield rule
    yield ""
    yield f"Editors can check a file with its JSON Schema, [{SCHEMA_FILE}]({SCHEMA_FILE})."
    yield ""
    yield _EXAMPLE
    yield from _table("The file", SCHEMA)
    sections = SCHEMA["properties"]
    yield from _table("cluster", sections["cluster"])
    for name in ("groups", "nodes", "networks", "instances"):
        yield from _table(f"{name}/NAME", sections[name]["additionalProperties"])
    entry: dict[str, Any] = sections["instances"]["additionalProperties"]["properties"]
    for name in ("disks", "nics"):
        yield from _table(f"instances/NAME/{name}", entry[name]["items"])
    network = sections["networks"]["additionalProperties"]["properties"]
    yield from _table("networks/NAME/groups/NAME", network["groups"]["additionalProperties"])
    for name in ("beparams", "ndparams", "ipolicy"):
        yield from _table(f"cluster/{name}", sections["cluster"]["properties"][name])


def _table(title: str, schema: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield f"{schema['description']}."
    yield ""
    yield "| key | form | meaning |"
    yield "|---|---|---|"
    for name, form in schema["properties"].items():
        must = "**required**: " if name in schema["required"] else ""
        yield f"| `{name}` | {must}{_form(form)} | {form.get('description', '')} |"


def _form(form: dict[str, Any]) -> str:
    if "anyOf" in form:
        return " or ".join(map(_form, form["anyOf"]))
    if "enum" in form:
        return " or ".join(f"`{one}`" for one in form["enum"])
    if "const" in form:
        return f"`{form['const']}`"
    kinds = form.get("type", "any")
    if kinds == "array":
        return f"list of ({_form(form['items'])})"
    if kinds == "object":
        if len(form.get("properties", ())) > FEW:
            return "mapping, see below"
        if "properties" in form:
            names = ", ".join(f"`{name}`" for name in form["properties"])
            return f"mapping with {names}"
        inner = _form(form["additionalProperties"])
        return f"by name: {inner}"
    text = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return text + (f", {form['minimum']} or more" if "minimum" in form else "")
