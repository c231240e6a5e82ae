"""The interface as an OpenAPI document, made from the table of resources and the opcodes."""

from __future__ import annotations

import json
import re
from functools import cache
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from ganeti_core.opcodes.base import schema
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.rapi import bodies, cluster, consoles, filters, programs, waiting
from ganeti_core.rapi.events import events
from ganeti_core.rapi.preconditions import PARAMETER
from ganeti_core.rapi.reading import Collection
from ganeti_core.rapi.request import Request
from ganeti_core.rapi.submission import Submit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.rapi.routes import Method, Resource

VERSION = "3.1.0"
_LOGIN: list[dict[str, list[str]]] = [{"basic": []}, {"token": []}]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NUMBERS = ("job", "disk")
_FLAG = {"type": "integer", "enum": [0, 1]}
_TEXT = {"type": "string"}
_FILTER = {"type": "object", "additionalProperties": False, "properties": {
    "priority": {"type": "integer", "minimum": 0}, "predicates": {"type": "array"},
    "action": {}, "reason": {"type": "array"}}}
_BODIES: Mapping[Any, Mapping[str, Any]] = {
    # Those that are no opcode's parameters.
    bodies.node_role: {"type": "string", "enum": list(bodies.ROLES)},
    bodies.reinstall: {"type": "object", "additionalProperties": False, "properties": {
        "os": _TEXT, "start": {"type": "boolean"}, "osparams": {"type": "object"},
        PARAMETER: {"type": "integer", "minimum": 0}}},
    filters.add: _FILTER, filters.replace: _FILTER,
    waiting.wait: {"type": "object", "required": ["fields"], "properties": {
        "fields": {"type": "array", "items": _TEXT},
        "previous_job_info": {"type": ["array", "null"]},
        "previous_log_serial": {"type": ["integer", "null"]}}},
    cluster.query: {"type": "object", "properties": {
        "fields": {"type": "array", "items": _TEXT}, "qfilter": {"type": ["array", "null"]}}},
}
_ARGUMENTS: Mapping[Any, tuple[str, ...]] = {
    # Texts that stand in the query.
    bodies.storage_listing: ("storage_type", "output_fields"),
    bodies.storage_unit: ("storage_type", "name"),
    bodies.storage_changes: ("storage_type", "name"),
    programs.capacity: tuple(programs.CAPACITY), programs.balance: tuple(programs.BALANCE),
    programs.rebalance: (*programs.BALANCE, "reason"),
    events: ("after",), consoles.reach: ("ticket",),
    cluster.query: ("fields",), cluster.query_fields: ("fields",),
}
_WITH_EVERYTHING = Request(
    ("x", "0"), "name=x&storage_type=x&output_fields=x&mode=x&type=x&allocatable=1&tag=x")
"""What is fixed by a resource is found out with it."""
ERROR = {
    "type": "object", "required": ["code", "message", "explain"], "properties": {
        "code": {"type": "integer"}, "message": _TEXT, "explain": _TEXT}}
JOB = {"type": "integer", "minimum": 1, "description": "The number of the job"}


def document(resources: Iterable[Resource]) -> dict[str, Any]:
    """Describe all resources."""
    return {
        "openapi": VERSION,
        "info": {"title": "Ganeti remote API", "version": "2"},
        "security": [*_LOGIN, {}],
        "paths": {one.path: {
            **_path_parameters(one.path),
            **{name.lower(): _operation(one, name, method)
               for name, method in one.methods.items()}} for one in resources},
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"},
                                "token": {"type": "http", "scheme": "bearer"},
                                "ticket": {"type": "apiKey", "in": "query", "name": "ticket"}},
            "schemas": {"Error": ERROR}},
    }


@cache
def encoded_document() -> bytes:
    """The document of this daemon, encoded."""
    from ganeti_core.rapi.table import resources

    return json.dumps(document(resources())).encode()


def _path_parameters(path: str) -> dict[str, Any]:
    names = _PLACEHOLDER.findall(path)
    return {"parameters": [
        {"name": name, "in": "path", "required": True,
         "schema": {"type": "integer", "minimum": 0} if name in _NUMBERS else {
             "type": "string", "pattern": "^[A-Za-z0-9_.-]+$"}} for name in names]} if names else {}


def _operation(resource: Resource, name: str, method: Method) -> dict[str, Any]:
    body = _body(method.run)
    found: dict[str, Any] = {
        "operationId": f"{name.lower()}_{resource.operation}",
        "description": f"Permission: {method.rule.permission}" + (
            ", of nobody unless everybody has to log in" if method.rule.public else ""),
        "parameters": [*_query(method.run), *_conditions(method)],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {
                "schema": _result(method.run)}}},
            "default": {"description": "It was not done", "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Error"}}}}},
    }
    if method.by_ticket:
        found["security"] = [{"ticket": []}]
        found["responses"]["101"] = {"description": "A WebSocket; its messages are the bytes"}
    elif not method.rule.public:
        found["security"] = _LOGIN
    if body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return found


def _conditions(method: Method) -> list[dict[str, Any]]:
    """On what a client may make a change depend, and how it may send it again."""
    if not method.conditional:
        return []
    return [{"name": PARAMETER, "in": "query", "schema": {"type": "integer", "minimum": 0},
             "description": "The object's serial number as it was seen: with another one the status"
                            " is 409"},
            {"name": "If-Match", "in": "header", "schema": _TEXT,
             "description": "The ETag of the object as it was seen: with another serial number the"
                            " status is 412"}]


def _result(run: Any) -> Mapping[str, Any]:
    if run is programs.rebalance:
        return {"type": "array", "description": "Sets of jobs, one after the other",
                "items": {"type": "array", "items": JOB}}
    return JOB if isinstance(run, Submit) else {}


def _query(run: Any) -> list[dict[str, Any]]:
    flags = ["bulk"] if isinstance(run, Collection) or run is waiting.operating_systems else []
    flags += ["dry-run"] if run is programs.rebalance else []
    texts: list[str] = []
    if isinstance(run, Submit):
        flags += [argument for argument, _ in run.flags]
        flags += ["dry-run"] if "dry-run" not in flags else []
        texts += ["reason", *_ARGUMENTS.get(run.fixed, ())]
    elif isfunction(run):
        texts += _ARGUMENTS.get(run, ())
    return [{"name": name, "in": "query", "schema": kind}
            for names, kind in ((flags, _FLAG), (texts, _TEXT)) for name in names]


def _body(run: Any) -> Mapping[str, Any] | None:
    if isinstance(run, Submit):
        special = _BODIES.get(run.fixed)
        return special if special is not None else _of_opcode(run)
    return _BODIES.get(run) if isfunction(run) else None


def _of_opcode(run: Submit) -> dict[str, Any]:
    """The opcode's parameters, but for those that the resource sets."""
    whole = schema(OPCODES[run.opcode])
    static = {"OP_ID", "reason", *run.names, *(name for _, name in run.flags),
              *run.fixed(_WITH_EVERYTHING)}
    properties = {name: value for name, value in whole["properties"].items()
                  if name not in static}
    properties |= {old: properties[new] for old, new in run.renamed.items()}
    required = [name for name in whole["required"]
                if name not in static and name not in run.renamed.values()]
    if run.body is bodies.instance_create:
        properties[bodies.VERSION_KEY] = {"const": 1}
        required.append(bodies.VERSION_KEY)
    return {"type": "object", "properties": properties, "required": required,
            "additionalProperties": False}
