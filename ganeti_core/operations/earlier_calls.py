"""Calls that an earlier version recorded, as this version's nodes take them.

A saga or a debt outlives an upgrade of the master. What is recorded is a call as data; where a
contract has changed since, it is translated here, when it is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.rpc.calls import Call

Arguments = dict[str, Any]
_BY_NAME = ("info", "stop", "migration_status", "migration_abort")
"""Hooks of hypervisors that once got the name of an instance, and now the instance."""
_PLUGS = {("add", "disk"): "plug_disk", ("remove", "disk"): "unplug_disk",
          ("add", "nic"): "plug_nic", ("remove", "nic"): "unplug_nic"}


def as_of_now(call: Call, node: str) -> Call:
    """Return the call in this version's form; one that has this form is returned as it is.

    :param node: uuid of the node where it is made
    """
    arguments = call.args.get("arguments")
    if not isinstance(arguments, dict):
        return call
    if (now := _with_nodes(arguments, node)) != arguments:
        call = replace(call, args={**call.args, "arguments": now})
    translate = _TRANSLATIONS.get(str(call.args.get("hook")))
    if call.args.get("kind") != HYPERVISORS.name or translate is None or not (
            changed := translate(call, call.args["arguments"])):
        return call
    return replace(call, args={**call.args, **changed})


def _with_nodes(value: Any, node: str) -> Any:
    """Arguments whose disks know all their nodes, where they once had a role and its peers."""
    match value:
        case {"template": _, "logical_id": _, "role": role, "peers": list(peers)}:
            kept = {key: item for key, item in value.items() if key not in ("role", "peers")}
            return {**_granted(kept), **_held_by(role, peers, node),
                    "children": _with_nodes(value.get("children", []), node)}
        case dict():
            return {key: _with_nodes(item, node) for key, item in value.items()}
        case list():
            return [_with_nodes(item, node) for item in value]
    return value


def _held_by(role: Any, peers: list[Any], node: str) -> Arguments:
    if not peers:
        return {}
    me = {"uuid": node, "name": "", "address": ""}
    return {"nodes": [*peers, me] if role == "secondary" else [me, *peers], "here": node}


def _granted(disk: Arguments) -> Arguments:
    """The disk with what it drew from pools in its place, not among the parameters."""
    params = disk.get("params") or {}
    if "minors" not in params:
        return disk
    drawn = {"minor": params["minors"], "port": params.get("port")}
    kept = {name: value for name, value in params.items() if name not in ("minors", "port")}
    return {**disk, "params": kept, "granted": drawn}


def _instance_for_name(call: Call, arguments: Arguments) -> Arguments:
    if "name" not in arguments or "instance" in arguments:
        return {}
    # As much as a guest needs whose instance may be gone.
    instance = {"uuid": call.subject, "name": arguments["name"],
                "hypervisor": call.args.get("driver", "")}
    others = {name: value for name, value in arguments.items() if name != "name"}
    return {"arguments": {"instance": instance, **others}}


def _one_hook_per_change(_call: Call, arguments: Arguments) -> Arguments:
    device = "disk" if arguments.get("disk") is not None else "nic"
    hook = _PLUGS.get((str(arguments.get("action")), device))
    if hook is None:
        return {}
    wanted = {name: arguments.get(name) for name in ("instance", device)}
    return {"hook": hook, "arguments": wanted}


_TRANSLATIONS: dict[str, Callable[[Call, Arguments], Arguments]] = {
    **dict.fromkeys(_BY_NAME, _instance_for_name), "hotplug": _one_hook_per_change}
