"""Parameters are the peer's; what is not acted on is refused, never ignored."""

import json
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext, OpPrereqError
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.parameters import NOT_HONOURED, PARAMETERS, UNSUPPORTED_VALUES

RECORDED = json.loads(Path(__file__).with_name("peer_hvparams.json").read_text())
TYPES = {"bool": "boolean", "int": "integer", "string": "string",
         "maybe-string": ["string", "null"]}


def test_names_types_defaults_and_scope_are_the_peers(kvm: KvmHypervisor) -> None:
    ours = kvm.describe().parameters["properties"]
    assert {name: (schema["type"], schema["default"], schema.get("x-global", False))
            for name, schema in ours.items()} == {
        name: (TYPES[told["type"]], told["default"], told["global"])
        for name, told in RECORDED.items()}


def test_the_tables_name_parameters_that_exist() -> None:
    assert PARAMETERS.keys() >= NOT_HONOURED
    for name, values in UNSUPPORTED_VALUES.items():
        assert set(PARAMETERS[name].values) >= values


def other_value(name: str) -> Any:
    """Some value that is not the default."""
    default = PARAMETERS[name].default
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    return next((value for value in PARAMETERS[name].values if value != default), "something")


@pytest.mark.parametrize("name", sorted(NOT_HONOURED))
def test_what_is_not_honoured_is_refused(
    kvm: KvmHypervisor, ctx: HookContext, name: str
) -> None:
    with pytest.raises(OpPrereqError, match=f"{name}=.*does not act on it"):
        kvm.validate(ctx, {"kernel_path": "", name: other_value(name)})


@pytest.mark.parametrize(("name", "value"), [
    (name, value) for name, values in sorted(UNSUPPORTED_VALUES.items())
    for value in sorted(values)])
def test_values_that_are_not_supported_are_refused(
    kvm: KvmHypervisor, ctx: HookContext, name: str, value: str
) -> None:
    with pytest.raises(OpPrereqError, match=f"{name}='{value}': this value is not supported"):
        kvm.validate(ctx, {"kernel_path": "", name: value})


def test_the_default_kernel_is_missed_with_a_hint(kvm: KvmHypervisor, ctx: HookContext) -> None:
    if Path(str(PARAMETERS["kernel_path"].default)).exists():
        pytest.skip("this machine has the peer's default kernel")
    with pytest.raises(OpPrereqError, match="set it to nothing to boot from the disk"):
        kvm.validate(ctx, {})


@pytest.mark.parametrize("params", [
    {"initrd_path": "/etc/passwd"}, {"kernel_path": "relative"}, {"cpu_mask": "0-1:2"},
    {"disk_aio": "native", "disk_cache": "writeback"}, {"vnc_password_file": "/etc/passwd"},
    {"mem_path": "/etc/passwd"}, {"cpu_cores": -1}, {"migration_downtime": 0},
])
def test_contradictions_are_refused(
    kvm: KvmHypervisor, ctx: HookContext, params: dict[str, object]
) -> None:
    with pytest.raises(OpPrereqError, match=next(iter(params))):
        kvm.validate(ctx, {"kernel_path": "", **params})
