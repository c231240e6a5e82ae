"""Calls are data: they survive a database, and say what their contract says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ganeti_core
from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.patience import VARIABLE
from ganeti_core.plugin_api.all_kinds import DISK_TEMPLATES, HYPERVISORS, KINDS
from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.kinds import LISTED
from ganeti_core.rpc.calls import SERVICES, Call, hook_answer, hook_answers, hook_call, service_call

INSTANCE = InstanceSpec("instance-uuid", "inst1", "kvm")
DISK = DiskSpec("disk-uuid", 0, "file", 128, logical_id=("file", "/srv/a"))


def test_call_survives_a_database():
    call = hook_call(DISK_TEMPLATES, "file", "create", subject="disk-uuid", disk=DISK,
                     settings={"file_storage_dir": "/srv"})

    assert Call.from_dict(json.loads(json.dumps(call.to_dict()))) == call


def test_hook_call_takes_change_and_limit_from_the_contract():
    create = hook_call(DISK_TEMPLATES, "file", "create", disk=DISK)
    status = hook_call(DISK_TEMPLATES, "file", "status", disk=DISK)

    assert (create.changes, create.timeout) == (True, 300.0)
    assert (status.changes, status.timeout) == (False, LISTED)


def test_time_that_a_hook_is_told_to_wait_is_added_to_its_limit():
    call = hook_call(HYPERVISORS, "kvm", "stop", instance=INSTANCE, force=False,
                     timeout=600.0)

    assert call.timeout == 300.0 + 600.0


def test_limit_can_be_given():
    call = hook_call(HYPERVISORS, "kvm", "stop", call_timeout=5.0, instance=INSTANCE, force=True,
                     timeout=600.0)

    assert call.timeout == 5.0


@pytest.mark.parametrize("arguments", [{}, {"disk": DISK, "colour": "red"}, {"dsik": DISK}])
def test_arguments_that_the_contract_lacks_are_refused_before_anything_is_sent(arguments):
    with pytest.raises(TypeError, match="create takes"):
        hook_call(DISK_TEMPLATES, "file", "create", **arguments)


def test_a_result_in_another_form_is_an_error_that_names_plugin_and_hook():
    assert hook_answer(HYPERVISORS, "kvm", "power_cycle", "done") == "done"
    with pytest.raises(PluginError, match=r"plugin hypervisors kvm: power_cycle: .*a string was"):
        hook_answer(HYPERVISORS, "kvm", "power_cycle", 5)


def test_of_several_nodes_each_has_its_own_failure():
    lost = GanetiError("it is away")
    found = hook_answers(HYPERVISORS, "kvm", "power_cycle", {"a": "done", "b": 5, "c": lost})
    assert (found["a"], type(found["b"]), found["c"]) == ("done", PluginError, lost)


def test_results_are_decoded_where_the_plugin_is_named():
    core = Path(ganeti_core.__file__).parent
    found = {str(path.relative_to(core)) for path in core.rglob("*.py")
             if "decode_result(" in path.read_text()}
    assert {one for one in found if not one.startswith("plugin_api/")} == {"rpc/calls.py"}


def test_unknown_service_is_refused():
    with pytest.raises(KeyError):
        service_call("node.explode")


def test_service_call_takes_change_and_limit_from_the_table():
    call = service_call("node.ssconf", {"values": {}})

    assert (call.changes, call.timeout) == (SERVICES["node.ssconf"].changes, 30.0)


def test_titles_name_plugin_and_hook():
    assert hook_call(DISK_TEMPLATES, "file", "create", disk=DISK).title == (
        "disk_templates file: create")
    assert service_call("node.ping").title == "node.ping"


def test_no_hook_has_an_argument_that_a_call_would_take_for_its_own():
    taken = {"subject", "call_timeout", "settings", "call_id", "owner"}
    clashes = {
        (kind.name, hook, name)
        for kind in KINDS.values() for hook, function in kind.hooks().items()
        if kind.hook_where(hook).place == "node"
        for name in taken & set(function.__annotations__)
    }

    assert not clashes


@pytest.mark.parametrize(("said", "times"), [
    ("4", 4.0), ("", 1.0), ("0.1", 1.0), ("nan", 1.0), ("inf", 100.0), ("slow", 1.0)])
def test_a_slow_host_has_longer(
    monkeypatch: pytest.MonkeyPatch, said: str, times: float
) -> None:
    def limits() -> list[float]:
        return [hook_call(DISK_TEMPLATES, "file", "devices").timeout,
                DISK_TEMPLATES.hook_where("status").timeout]

    usual = limits()
    monkeypatch.setenv(VARIABLE, said)
    assert limits() == [times * limit for limit in usual]
    assert service_call("replica.append").timeout == 10.0, "a lost node is known as soon"
