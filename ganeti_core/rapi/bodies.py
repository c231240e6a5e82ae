"""Bodies that are not simply an opcode's parameters: old forms, versions, roles, several jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.rapi.failures import bad_request
from ganeti_core.rapi.preconditions import PARAMETER, asked_serial
from ganeti_core.rapi.request import check_type
from ganeti_core.rapi.submission import filled, reason_trail, submitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.rapi.request import Call, Request

VERSION_KEY = "__version__"
INSTANCE_RENAMED = {"os": "os_type", "name": "instance_name"}
ROLES: dict[str, dict[str, bool | None]] = {
    "regular": {"master_candidate": False, "offline": False, "drained": False},
    "master-candidate": {"master_candidate": True, "offline": None, "drained": None},
    "drained": {"master_candidate": None, "offline": None, "drained": True},
    "offline": {"master_candidate": None, "offline": True, "drained": None},
}


def instance_create(request: Request) -> dict[str, Any]:
    """The parameters of a new instance; only the first version of the form is spoken.

    :raises HttpFailure: it is of another version
    """
    body = dict(request.object_body())
    version = body.pop(VERSION_KEY, 0)
    if version == 0:
        raise bad_request("Instance creation request version 0 is no longer supported")
    if version != 1:
        raise bad_request(f"Unsupported request data version {version}")
    return with_commas(body)


def instance_modify(request: Request) -> dict[str, Any]:
    """The parameters to change."""
    return with_commas(dict(request.object_body()))


def with_commas(body: dict[str, Any]) -> dict[str, Any]:
    """The body, with commas between devices where a client has sent spaces."""
    hvparams = body.get("hvparams")
    devices = hvparams.get("usb_devices") if isinstance(hvparams, dict) else None
    if isinstance(hvparams, dict) and isinstance(devices, str):
        return {**body, "hvparams": {**hvparams, "usb_devices": devices.replace(" ", ",")}}
    return body


def multi_alloc(request: Request) -> dict[str, Any]:
    """The parameters of several new instances, each checked as one alone.

    :raises HttpFailure: there are none, or one is not valid
    """
    body = dict(request.object_body())
    if "instances" not in body:
        raise bad_request("Request is missing required 'instances' field in body")
    cls = OPCODES["OP_INSTANCE_CREATE"]
    body["instances"] = [
        filled(cls, check_type(one, dict, "Body contents"), {}, INSTANCE_RENAMED)
        for one in check_type(body["instances"], list, "'instances' parameter")]
    return body


def explained(_request: Request) -> Mapping[str, Any]:
    """Nothing is made, and the job's log says how the allocator sees every node."""
    return {"dry_run": True, "explain": True}


def node_role(request: Request) -> Mapping[str, Any]:
    """The flags that make a node's role, which is the body.

    :raises HttpFailure: no node can be given this role
    """
    role = check_type(request.body, str, "Body contents")
    if role not in ROLES:
        raise bad_request(f"Can't set '{role}' role")
    return {**ROLES[role], "auto_promote": request.flag("auto-promote")}


def no_body(_request: Request) -> None:
    """The body has been read otherwise."""


def tags(request: Request) -> list[str]:
    """Tags stand in the query; clients that have them in the body, too, mean the same ones."""
    found = request.arguments.get("tag", [])
    body = request.body
    return body if isinstance(body, list) and not found else found


def unless_list(request: Request) -> Any:
    """The body, but for a list of tags."""
    return None if isinstance(request.body, list) else request.body


def migrate_node(request: Request) -> Any:
    """How instances leave a node: in the body, or, as old clients have it, in the query.

    :raises HttpFailure: the query says it twice
    """
    arguments = request.arguments
    if "live" in arguments and "mode" in arguments:
        raise bad_request("Only one of 'live' and 'mode' should be passed")
    if "live" in arguments:
        return {"mode": "live" if request.flag("live") else "non-live"}
    if "mode" in arguments:
        return {"mode": request.text("mode")}
    return request.body


def replace_disks(request: Request) -> Any:
    """Which disks to replace, and how: in the body, or, as old clients have it, in the query.

    :raises HttpFailure: the disks are no list of numbers
    """
    data: dict[str, Any] = {}
    if request.body:
        data |= request.object_body()
    else:
        old = {name: request.text(name) for name in ("remote_node", "mode", "disks", "iallocator")}
        data |= {name: value for name, value in old.items() if value is not None}
        if "early_release" in request.arguments:
            data["early_release"] = request.flag("early_release")
    disks = data.pop("disks", None)
    if isinstance(disks, str) and disks:
        try:
            data["disks"] = [int(part) for part in disks.split(",")]
        except ValueError as exc:
            raise bad_request(f"Invalid disk index passed: {exc}") from None
    elif disks:
        data["disks"] = disks
    return data


def storage_unit(request: Request) -> Mapping[str, Any]:
    """Which storage unit of the node is meant.

    :raises HttpFailure: it is not named
    """
    name = request.text("name")
    if not name:
        raise bad_request("Missing the required 'name' parameter")
    return {"storage_type": request.text("storage_type"), "name": name}


def storage_changes(request: Request) -> Mapping[str, Any]:
    """Which storage unit, and what changes of it."""
    changes = {}
    if "allocatable" in request.arguments:
        changes["allocatable"] = request.flag("allocatable")
    return {**storage_unit(request), "changes": changes}


def storage_listing(request: Request) -> Mapping[str, Any]:
    """Which storage units to list, and what of them.

    :raises HttpFailure: no fields are named
    """
    fields = request.text("output_fields")
    if not fields:
        raise bad_request("Missing the required 'output_fields' parameter")
    return {"nodes": [request.name], "storage_type": request.text("storage_type"),
            "output_fields": fields.split(",")}


def disk_index(request: Request) -> Mapping[str, Any]:
    """The second name of the path, a number."""
    return {"disk": int(request.names[1])}


async def reinstall(call: Call) -> bytes:
    """Submit a job that stops an instance, installs it, and starts it unless that is not wanted.

    :raises HttpFailure: body and query both say how, or what they say cannot be read
    """
    request = call.request
    wanted = _reinstall_body(request)
    start = check_type(wanted.get("start", True), bool, "'start' parameter")
    reason = {"reason": reason_trail(request, call.operation)}
    common: dict[str, Any] = {**reason, "instance_name": request.name}
    if request.flag("dry-run"):
        common["dry_run"] = True
    install = {"os_type": wanted.get("os"), "osparams": wanted.get("osparams")}
    ops = [("OP_INSTANCE_SHUTDOWN", {}), ("OP_INSTANCE_REINSTALL", install)]
    if start:
        ops.append(("OP_INSTANCE_STARTUP", {"force": False}))
    # What comes after the first opcode is based on what that one has made.
    first = asked_serial(request) | {name: wanted[name] for name in (PARAMETER,) if name in wanted}
    return await submitted(call, [
        filled(OPCODES[op_id], own, common if number else common | first)
        for number, (op_id, own) in enumerate(ops)])


def _reinstall_body(request: Request) -> dict[str, Any]:
    old = {name: request.text(name) for name in ("os", "nostartup") if name in request.arguments}
    if request.body:
        if old:
            raise bad_request("Can't combine query and body parameters")
        body: dict[str, Any] = check_type(request.body, dict, "Body contents")
        if unknown := sorted(body.keys() - {"os", "start", "osparams", PARAMETER}):
            raise bad_request(f"Invalid body parameters: '{unknown[0]}' is none of os, start,"
                              f" osparams, {PARAMETER}")
        return body
    return {"os": request.text("os"), "start": not request.flag("nostartup")} if old else {}


