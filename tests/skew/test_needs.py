"""Each operation says which drivers it will need, or there is a reason why it need not."""

from __future__ import annotations

from ganeti_core.model import Node
from ganeti_core.operations import registry
from ganeti_core.operations.base import Operation
from ganeti_core.operations.node_drivers import _absent
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

_SUBMITS = "its jobs say what they need themselves"
_ENDS = "it only stops or removes: what cannot be done says so, and must not be in the way"
_ASKS = "it only asks"
EXEMPT = {
    "OP_INSTANCE_SHUTDOWN": _ENDS, "OP_INSTANCE_REMOVE": _ENDS,
    "OP_INSTANCE_DEACTIVATE_DISKS": _ENDS,
    "OP_INSTANCE_MULTI_ALLOC": _SUBMITS, "OP_INSTANCE_CHANGE_GROUP": _SUBMITS,
    "OP_INSTANCE_QUERY_DATA": _ASKS, "OP_INSTANCE_CONSOLE": _ASKS,
}


def test_operations_on_instances_name_the_drivers_that_they_need() -> None:
    silent = {op_id for op_id in registry.available() if op_id.startswith("OP_INSTANCE_")
              and type(registry._OPERATIONS[op_id]).needs is Operation.needs}
    assert silent == EXEMPT.keys()


def test_a_release_that_is_broken_on_the_master_too_is_not_asked_for() -> None:
    node = Node(uuid="n", name="node2", group="g", primary_ip="")
    sound = {"distribution": "sleeper", "version": "3", "problem": ""}
    broken = {**sound, "problem": "SyntaxError"}
    assert _absent(node, HYPERVISORS, "sleeper", (broken, sound)).endswith(
        "needed is sleeper 3, as on the master")
    assert _absent(node, HYPERVISORS, "sleeper", (broken, broken)).endswith(
        "SyntaxError; neither can the master use its own (sleeper 3)")
