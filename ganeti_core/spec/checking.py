"""Checks of a document against the schema, in words that name place, value and what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.spec.final import final_form, wrong_values
from ganeti_core.spec.schema import SCHEMA
from ganeti_core.spec.text import in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError

Document = dict[str, Any]
MOST_SHOWN = 20


def checked(document: Any, name: str) -> Document:
    """Return the document with its values in final form.

    :param name: of the file, for messages
    :raises OpPrereqError: it is not of the form of a cluster's file; names every place
        (`ECODE_INVAL`)
    """
    errors = sorted(Draft202012Validator(SCHEMA).iter_errors(document),
                    key=lambda error: [str(step) for step in error.absolute_path])
    problems = [line for error in errors for line in _problem(error)]
    if not problems:
        problems = [*_doubles(document), *wrong_values(document)]
    if problems:
        shown = problems[:MOST_SHOWN]
        if len(problems) > MOST_SHOWN:
            shown.append(f"... and {len(problems) - MOST_SHOWN} more")
        raise OpPrereqError("\n".join(f"{name}: {line}" for line in shown), ECODE_INVAL)
    return final_form(document)


def _problem(error: ValidationError) -> Iterator[str]:
    place = "/".join(map(str, error.absolute_path)) or "the file"
    schema: Any = error.schema
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            known = sorted(schema["properties"])
            for key in sorted(set(value) - set(known)):
                yield f"{place}: unknown key {key!r}; known are {', '.join(known)}"
        case "required":
            for key in schema["required"]:
                if key not in value:
                    yield f"{place}: the key {key!r} is missing"
        case "propertyNames" | "pattern" if isinstance(value, str):
            yield f"{place}: {_shown(value)} is not possible here; expected {_expected(schema)}"
        case "uniqueItems":
            yield f"{place}: an entry of {_shown(value)} stands there twice"
        case "type" if value is None and not error.absolute_path:
            yield f"{place}: there is nothing in it; expected {_expected(schema)}"
        case _:
            yield f"{place}: found {_shown(value)}; expected {_expected(schema)}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else in_one_line(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_TYPES = {"string": "text", "integer": "a whole number", "number": "a number",
          "boolean": "true or false", "array": "a list", "object": "a mapping"}
_LIMITS = {"minimum": "{} or more", "maxItems": "at most {} entries",
           "minItems": "at least {} entry", "minLength": "not empty",
           "pattern": "matching {}"}


def _expected(schema: Any) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_expected, schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "const" in schema:
        return repr(schema["const"])
    kinds = schema.get("type", ())
    words = [" or ".join(_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))]
    words += [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    return ", ".join(filter(None, words))


def _doubles(document: Document) -> Iterator[str]:
    """What the schema cannot say: names and addresses that stand twice in one list."""
    for name, instance in document.get("instances", {}).items():
        for devices, key in (("disks", "name"), ("nics", "name"), ("nics", "mac")):
            values = [str(device[key]).lower() for device in instance.get(devices, ())
                      if key in device]
            for value in _twice(values):
                yield f"instances/{name}/{devices}: the {key} {value!r} stands there twice"
        yield from _cards(f"instances/{name}/nics", instance.get("nics", ()))
    hosts: dict[str, str] = {}
    for name in document.get("instances", {}):
        other = hosts.setdefault(name.lower(), name)
        if other != name:
            yield f"instances: {name!r} and {other!r} are one name"


def _cards(place: str, nics: Iterable[Document]) -> Iterator[str]:
    for index, nic in enumerate(nics):
        own = sorted(nic.keys() & {"mode", "link", "vlan"})
        if nic.get("network", "none") != "none" and own:
            yield (f"{place}/{index}: {', '.join(own)} cannot be given beside 'network', which"
                   " decides on them")


def _twice(values: Iterable[str]) -> list[str]:
    found = list(values)
    return sorted({value for value in found if found.count(value) > 1})
