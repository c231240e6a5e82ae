"""Scripts see exactly what Ganeti shows them; compared with recordings of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec, NicSpec
from ganeti_plugins.os_scripts.driver import OsScripts

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())

# Set by an interpreter that is started without any locale, not by the node daemon.
OF_PYTHON = {"LC_CTYPE"}


def typed(text: str) -> Any:
    """The value whose ``str`` was recorded."""
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.isdigit() else text


def instance_of(env: dict[str, str], tmp_path: Path) -> InstanceSpec:
    """Build the instance that a recording tells of."""
    def group(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): value for name, value in env.items()
                if name.startswith(prefix)}

    def disk(index: int) -> DiskSpec:
        told = group(f"DISK_{index}_")
        return DiskSpec(told["UUID"], index, "file", int(told["SIZE"]), path=told["PATH"],
                        name=told.get("NAME"))

    def nic(index: int) -> NicSpec:
        told = group(f"NIC_{index}_")
        network = {key: told[f"NETWORK_{name}"] for key, name in (
            ("name", "NAME"), ("uuid", "UUID"), ("network", "SUBNET"), ("gateway", "GATEWAY"),
            ("network6", "SUBNET6"), ("gateway6", "GATEWAY6"), ("mac_prefix", "MAC_PREFIX"),
        ) if f"NETWORK_{name}" in told}
        if network:
            network["tags"] = told["NETWORK_TAGS"].split()  # type: ignore[assignment]
        return NicSpec(told["UUID"], index, told["MAC"], told["MODE"], told["LINK"],
                       ip=told.get("IP"), network=network or None, bridge=told.get("BRIDGE", ""))

    return InstanceSpec(
        uuid=env["INSTANCE_UUID"], name=env["INSTANCE_NAME"], hypervisor=env["HYPERVISOR"],
        hvparams={key: typed(value) for key, value in group("INSTANCE_HV_").items()},
        beparams={key: typed(value) for key, value in group("INSTANCE_BE_").items()},
        os=env["INSTANCE_OS"],
        osparams={key.lower(): value for key, value in group("OSP_").items()},
        disks=tuple(map(disk, range(int(env["DISK_COUNT"])))),
        nics=tuple(map(nic, range(int(env["NIC_COUNT"])))),
        primary_node=env["INSTANCE_PRIMARY_NODE"], ctime=float(env["INSTANCE_CTIME"]),
        mtime=float(env["INSTANCE_MTIME"]))


def seen(tmp_path: Path, script: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((tmp_path / f"dumps/{script}.json").read_text())
    return told


def without(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in OF_PYTHON}


@pytest.mark.parametrize("which", ["create", "create_with_network", "reinstall"])
def test_create_sees_what_the_peer_shows(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, dump: str, which: str
) -> None:
    env = RECORDED[which]["env"]
    driver = OsScripts("envdump", make_os("envdump", create=dump))
    driver.create(ctx, instance_of(env, tmp_path), env["INSTANCE_OS"].partition("+")[2],
                  which == "reinstall")
    assert without(seen(tmp_path, "create")["env"]) == without(env)


def test_rename_sees_what_the_peer_shows(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, dump: str
) -> None:
    env = RECORDED["rename"]["env"]
    driver = OsScripts("envdump", make_os("envdump", rename=dump))
    driver.rename(ctx, instance_of(env, tmp_path), env["INSTANCE_OS"].partition("+")[2],
                  env["OLD_INSTANCE_NAME"])
    assert without(seen(tmp_path, "rename")["env"]) == without(env)


def test_verify_sees_what_the_peer_shows(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, dump: str
) -> None:
    env = RECORDED["verify"]["env"]
    driver = OsScripts("envdump", make_os("envdump", verify=dump))
    driver.validate(ctx, env["OS_VARIANT"], {"colour": env["OSP_COLOUR"]}, False)
    assert without(seen(tmp_path, "verify")["env"]) == without(env)
    assert seen(tmp_path, "verify")["argv"] == ["parameters"]


def test_scripts_start_in_their_folder_with_a_private_mask_and_three_descriptors(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, dump: str
) -> None:
    folder = make_os("envdump", create=dump)
    env = RECORDED["create"]["env"]
    OsScripts("envdump", folder).create(ctx, instance_of(env, tmp_path), "", False)
    told = seen(tmp_path, "create")
    assert told["cwd"] == str(folder)
    assert told["umask"] == 0o077
    assert told["fds"] == [0, 1, 2]
    assert told["argv"] == []
