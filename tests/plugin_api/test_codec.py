"""The codec: what the contracts say comes back as it was, and what JSON would change is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import data
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.codec import (
    decode,
    decode_arguments,
    decode_result,
    encode,
    hook_types,
)
from ganeti_core.plugin_api.disk import DiskTemplateSpec
from ganeti_core.plugin_api.hypervisor import HypervisorSpec, MigrationSpec

DISK = data.DiskSpec(
    uuid="d0", index=0, template="drbd", size=1024, logical_id=("a", 7, None),
    children=(data.DiskSpec(uuid="d1", index=0, template="plain", size=1024, params={"s": [1]}),),
    nodes=(data.NodeRef("n2", "node2", "192.0.2.2"),), granted={"minor": {"n2": 0}})
INSTANCE = data.InstanceSpec(
    uuid="i0", name="inst1", hypervisor="fake", hvparams={"a": {"b": None}},
    beparams={"maxmem": 128, "vcpus": 1}, disks=(DISK,),
    nics=(data.NicSpec("n0", 0, "aa:00:00:00:00:01", network={"name": "net"}),), tags=("x", "y"))

VALUES = [
    (data.DiskSpec, DISK),
    (data.InstanceSpec, INSTANCE),
    (data.Description, data.Description(0, "t", capabilities=frozenset({"b", "a"}))),
    (data.OsInfo, data.OsInfo("os", "/p", (15, 20), ("v",), (("p", "doc"),))),
    (data.Collected, data.Collected(data.Report({"k": 1.5}), {"n": [1, 2.5]})),
    (data.Console, data.Console("vnc", "i", port=5900)),
    (data.RunningInstance | None, None),
    (list[data.RunningInstance], [data.RunningInstance("i", "u", "running", 128, 1, 0.5)]),
    (dict[str, str], {"a": "b"}),
    (Path, Path("/a/b")),
    (float, 2.0),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda v: getattr(v, "__name__", ""))
def test_values_come_back_equal(kind: Any, value: Any) -> None:
    assert decode(kind, json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize("value", [
    b"bytes", {1: "integer key"}, {"deep": [{("tuple",): 1}]}, float("nan"), float("inf"),
    object(), [{"x": b""}],
])
def test_what_json_would_change_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize(("kind", "wrong"), [
    (str, 5), (int, "5"), (int, True), (bool, "yes"), (float, "1.5"), (tuple[str, ...], "ab"),
    (dict[str, Any], []), (data.NodeRef, {"uuid": "u"}), (data.Description, "text"),
    (tuple[str, str], ["one"]), (data.Report, {"data": {}, "format_version": "7"}),
    (data.RunningInstance | None, {"name": 5}),
])
def test_a_wrong_type_is_an_error_that_names_it(kind: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="not a "):
        decode(kind, wrong)


def test_the_error_tells_where() -> None:
    wrong = encode(DISK) | {"size": "big"}
    with pytest.raises(TypeError, match=r"open: argument disk .*whole number.*size"):
        decode_arguments(DiskTemplateSpec.open, {"disk": wrong, "exclusive": True})


def test_versions_that_differ_by_an_addition_can_talk() -> None:
    newer = encode(DISK) | {"invented_later": 1}
    assert decode(data.DiskSpec, newer) == DISK
    older = {name: encode(DISK)[name] for name in ("uuid", "index", "template", "size")}
    assert decode(data.DiskSpec, older).role == "primary"
    assert decode_arguments(
        HypervisorSpec.validate, {"params": {}, "later": 1}) == {"params": {}}


def test_a_missing_argument_is_an_error() -> None:
    with pytest.raises(TypeError, match="stop was called without force, timeout"):
        decode_arguments(HypervisorSpec.stop, {"instance": encode(INSTANCE)})


def test_results_are_decoded_by_the_contract() -> None:
    target = data.MigrationTarget("192.0.2.1", 4444, {"a": 1})
    assert decode_result(MigrationSpec.migration_prepare, encode(target)) == target
    assert decode_result(HypervisorSpec.info, None) is None
    assert decode_result(HypervisorSpec.start, None) is None
    with pytest.raises(TypeError, match="migration_prepare returned"):
        decode_result(MigrationSpec.migration_prepare, ["192.0.2.1", 4444])
    with pytest.raises(TypeError, match="start returned"):
        decode_result(HypervisorSpec.start, "done")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_hook_of_every_contract_has_types_that_can_travel(kind: Any) -> None:
    for name, hook in kind.hooks().items():
        types = hook_types(hook)
        assert "return" in types, name
        assert "ctx" not in types
