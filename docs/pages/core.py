"""Pages of the core: opcodes, query fields, errors."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, cast

from ganeti_core import errors
from ganeti_core.errors import GanetiError
from ganeti_core.opcodes import unavailable
from ganeti_core.opcodes.base import OpCode, parameters, schema
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.plugins import PluginHost
from ganeti_core.query.engine import QueryEngine

from .contracts import NOTE, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCES = ("instance", "node", "group", "network", "job", "lock", "filter", "export", "cluster",
             "os", "extstorage")


def pages() -> dict[str, str]:
    """Text by file name."""
    made = {"opcodes.md": _opcodes(), "fields.md": _fields(), "errors.md": _errors()}
    return {name: NOTE + "\n" + "\n".join(lines) + "\n" for name, lines in made.items()}


def _opcodes() -> Iterator[str]:
    yield "# Opcodes"
    yield ""
    yield ("What a job is made of. Every opcode also takes the parameters of"
           " [all opcodes](#all-opcodes). Null for a parameter that has a default means that it is"
           " not given.")
    common = parameters(OpCode).keys()
    for op_id, cls in sorted(OPCODES.items()):
        yield ""
        yield f"## {op_id}"
        yield ""
        yield from prose(inspect.getdoc(cls) or "")
        yield ""
        if op_id in unavailable.OPCODES:
            yield f"**This opcode is {unavailable.MARK}**: a job with it fails."
            yield ""
        yield from _parameters(cls, [name for name in parameters(cls) if name not in common])
    yield ""
    yield "## All opcodes"
    yield ""
    yield from _parameters(OpCode, list(common))


def _parameters(cls: type[OpCode], names: list[str]) -> Iterator[str]:
    if not names:
        yield "It has no parameters of its own."
        return
    table, forms = parameters(cls), schema(cls)["properties"]
    yield "| parameter | form | default |"
    yield "|---|---|---|"
    for name in sorted(names):
        default = "**required**" if table[name].required else (
            f"`{json.dumps(table[name].default)}`")
        form = _form(_without_null(forms[name]))
        if name in unavailable.PARAMETERS.get(cls.op_id, ()):
            form += f"; **{unavailable.MARK}**"
        yield f"| `{name}` | {form} | {default} |"


def _without_null(form: dict[str, Any]) -> dict[str, Any]:
    """The form of a value that is given; the page says once what null means."""
    given = [one for one in form.get("anyOf", ()) if one.get("type") != "null"]
    return {**form, "anyOf": given} if given else form


def _form(form: dict[str, Any]) -> str:
    if "anyOf" in form:
        return " or ".join(_form(one) for one in form["anyOf"])
    if "enum" in form:
        return " or ".join(f"`{json.dumps(one)}`" for one in form["enum"])
    if form.get("type") == "array":
        return f"list of ({_form(form['items'])})"
    if form.get("type") == "object":
        return f"object of ({_form(form.get('additionalProperties') or {})})"
    rules = {"minLength": "not empty", "minimum": "0 or more", "exclusiveMinimum": "above 0"}
    return ", ".join([form.get("type", "any"), *(text for key, text in rules.items()
                                                  if key in form)])


def _fields() -> Iterator[str]:
    yield "# Query fields"
    yield ""
    yield ("What `list` commands, LUXI `Query` and RAPI's `/2/query` can show and filter. Fields"
           " `hv/...` depend on the hypervisors that are installed.")
    engine = QueryEngine(PluginHost(), cast("Any", None), cast("Any", None), cast("Any", None))
    for what in RESOURCES:
        yield ""
        yield f"## {what}"
        yield ""
        yield "| field | title | kind | meaning |"
        yield "|---|---|---|---|"
        found = engine.fields(what)["fields"]
        for one in sorted(found, key=lambda field: str(field["name"])):
            doc = " ".join(one["doc"].split()).replace("|", "\\|")
            yield f"| `{one['name']}` | {one['title']} | {one['kind']} | {doc} |"


def _errors() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield ("An error travels as its name with its arguments, the first of which is the message;"
           " commands exit with its status.")
    yield ""
    yield "| class | name on the wire | exit status | meaning | what to do |"
    yield "|---|---|---|---|---|"
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, GanetiError):
            doc = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
            yield (f"| `{name}` | `{cls.wire_name}` | {cls.exit_status} |"
                   f" {doc.replace('``', '`')} | {cls.action} |")
    yield ""
    yield "## Codes of prerequisites"
    yield ""
    yield "`OpPrereqError` also says of what kind the obstacle is."
    yield ""
    yield "| constant | code | what to do |"
    yield "|---|---|---|"
    for name, value in vars(errors).items():
        if name.startswith("ECODE_"):
            yield f"| `{name}` | `{value}` | {errors.ACTIONS[value]} |"
