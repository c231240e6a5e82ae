"""Providers that are folders of scripts: found, asked as recorded, and true to their contract."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.errors import BlockDeviceError, NotSupported, OpPrereqError
from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.extstorage import EXTSTORAGE, ExtStorageSpec, VolumeSpec
from ganeti_core.plugin_api.sources import Unusable
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.extstorage import ExtStorageContract
from ganeti_core.plugin_api.testing.footprint import Footprint
from ganeti_core.plugins import PluginHost
from ganeti_plugins.disk_ext import ExtTemplate
from ganeti_plugins.ext_scripts import ProviderDirectories
from ganeti_plugins.ext_scripts.driver import OPTIONAL, REQUIRED

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
SCRIPT = """#!/bin/sh
# Volumes are files in the folder "volumes" beside the scripts.
script=${0##*/}
env | grep -E '^(VOL|EXTP)_' | sort >"../asked-$script"
volume=../volumes/$VOL_NAME
case $script in
create) [ "$VOL_SIZE" -lt 4096 ] || { echo "too large" >&2; exit 1; }
        [ -e "$volume" ] || truncate -s "${VOL_SIZE}M" "$volume" ;;
remove) rm -f "$volume" ;;
grow) [ -e "$volume" ] && truncate -s "${VOL_NEW_SIZE}M" "$volume" ;;
attach) [ -e "$volume" ] || { echo "no such volume" >&2; exit 1; }
        realpath "$volume"; echo "kvm:file:$volume" ;;
snapshot) cp "$volume" "../volumes/$VOL_SNAPSHOT_NAME" ;;
verify) [ "$#$1" = 1parameters ] || exit 2
        [ "$EXTP_SPEED" != slow ] || { echo "slow is not for sale" >&2; exit 1; } ;;
esac
"""


def make_scripts(parent: Path, *, optional: bool = True) -> Path:
    """Install the provider ``shelf`` below `parent`."""
    folder = parent / "shelf"
    folder.mkdir(parents=True)
    (parent / "volumes").mkdir()
    for name in (*REQUIRED, *(OPTIONAL if optional else ())):
        (folder / name).write_text(SCRIPT)
        (folder / name).chmod(0o755)
    (folder / "parameters.list").write_text("speed How fast it is\n")
    return folder


def listed(parent: Path) -> dict[str, Any]:
    return dict(ProviderDirectories().drivers(
        parent.parent, {"extstorage_search_path": [f"/{parent.name}"]}))


def found(parent: Path) -> dict[str, Any]:
    """Those that can be used."""
    return {name: one for name, one in listed(parent).items() if not isinstance(one, Unusable)}


class WithScripts(ExtStorageContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Any:
        make_scripts(tmp_path / "providers", optional=self.optional)
        return found(tmp_path / "providers")["shelf"]

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [{"speed": "slow"}]

    def test_a_failed_create_leaves_nothing(
        self, provider: ExtStorageSpec, ctx: HookContext, volume: VolumeSpec, footprint: Footprint
    ) -> None:
        """Nothing but the note that there may be nothing to remove."""
        with pytest.raises(BlockDeviceError):
            provider.create(ctx=ctx, volume=replace(volume, size=self.too_large))
        assert [path.suffix for path in ctx.keep.iterdir()] == [".creating"]
        provider.remove(ctx=ctx, volume=volume)
        footprint.assert_unchanged()


class TestAllScripts(WithScripts):
    optional = True


class TestRequiredScriptsOnly(WithScripts):
    optional = False


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1")


@pytest.fixture
def driver(tmp_path: Path) -> Any:
    make_scripts(tmp_path)
    return found(tmp_path)["shelf"]


def asked(tmp_path: Path, script: str) -> dict[str, str]:
    return dict(line.split("=", 1)
                for line in (tmp_path / f"asked-{script}").read_text().splitlines())


@pytest.mark.parametrize("script", RECORDED)
def test_programs_get_the_recorded_environment(
    script: str, tmp_path: Path, driver: Any, ctx: HookContext
) -> None:
    wanted = {**RECORDED[script], "EXTP_PROVIDER": "shelf"}
    volume = VolumeSpec(
        wanted.get("VOL_UUID", "u"), wanted.get("VOL_NAME", "v"),
        int(wanted.get("VOL_SIZE", wanted.get("VOL_SNAPSHOT_SIZE", "8"))), "inst1.example.com",
        {"access": "kernelspace", "speed": "fast"})
    (tmp_path / "volumes" / volume.name).touch()
    {
        "create": lambda: driver.create(ctx, volume), "remove": lambda: driver.remove(ctx, volume),
        "attach": lambda: driver.attach(volume), "detach": lambda: driver.detach(volume),
        "grow": lambda: driver.grow(volume, int(wanted["VOL_NEW_SIZE"])),
        "setinfo": lambda: driver.set_info(volume, wanted["VOL_METADATA"]),
        "snapshot": lambda: driver.snapshot(volume, wanted["VOL_SNAPSHOT_NAME"]),
        "open": lambda: driver.open(volume, True), "close": lambda: driver.close(volume),
    }[script]()
    told = asked(tmp_path, script)
    if script == "snapshot":
        told.pop("VOL_UUID")  # one more than Ganeti gives does no harm
    assert told == wanted


def test_attach_tells_device_and_uris(driver: Any, ctx: HookContext, tmp_path: Path) -> None:
    volume = VolumeSpec("u-1", "vol1", 8)
    driver.create(ctx, volume)
    attached = driver.attach(volume)
    assert attached.device == str(tmp_path / "volumes/vol1")
    assert attached.uris == {"kvm": "file:../volumes/vol1"}


def test_a_volume_that_cannot_be_removed_is_an_error(
    driver: Any, ctx: HookContext, tmp_path: Path
) -> None:
    volume = VolumeSpec("u-1", "vol1", 8)
    driver.create(ctx, volume)
    (tmp_path / "shelf/remove").write_text("#!/bin/sh\necho in use >&2; exit 1\n")
    with pytest.raises(BlockDeviceError, match="in use"):
        driver.remove(ctx, volume)


def test_what_was_never_made_need_not_be_removed(
    driver: Any, ctx: HookContext, tmp_path: Path
) -> None:
    volume = VolumeSpec("u-1", "vol1", 9999)
    (tmp_path / "shelf/remove").write_text("#!/bin/sh\necho no such volume >&2; exit 1\n")
    with pytest.raises(BlockDeviceError, match="too large"):
        driver.create(ctx, volume)
    driver.remove(ctx, volume)
    assert not list(ctx.keep.iterdir())


def test_a_folder_that_lacks_a_script_is_listed_with_the_reason(tmp_path: Path) -> None:
    folder = make_scripts(tmp_path)
    (folder / "grow").unlink()
    assert listed(tmp_path)["shelf"] == Unusable(
        "it lacks the scripts grow (as files that can be run)", str(folder))
    host = PluginHost()
    host.load(trial=False)
    settings = {"extstorage_search_path": [f"/{tmp_path.name}"]}
    host.refresh_sources(tmp_path.parent, settings)
    assert not host.has(EXTSTORAGE, "shelf")
    (row,) = [one for one in host.status() if one.name == "shelf"]
    assert (row.distribution, row.problem) == (
        str(folder), "it lacks the scripts grow (as files that can be run)")
    shutil.rmtree(folder)
    host.refresh_sources(tmp_path.parent, settings)
    assert not [one for one in host.status() if one.name == "shelf"]


def test_the_host_takes_what_the_source_gives(tmp_path: Path) -> None:
    make_scripts(tmp_path, optional=False)
    host = PluginHost()
    for name, provider in found(tmp_path).items():
        host.add(EXTSTORAGE, name, provider)
    described = host.describe(EXTSTORAGE, "shelf")
    assert described.parameters["properties"]["speed"]["description"] == "How fast it is"
    assert described.capabilities == frozenset()
    with pytest.raises(OpPrereqError, match="does not offer snapshot"):
        host.driver(EXTSTORAGE, "shelf").snapshot(
            ctx=make_context(tmp_path), volume=VolumeSpec("u", "v", 1), name="s")


@pytest.mark.parametrize("params", [{"a=b": "1"}, {"": "1"}, {"a\0": "1"}, {"a": "1\0"}])
def test_parameters_that_no_program_can_get_are_refused(
    driver: Any, ctx: HookContext, params: dict[str, str]
) -> None:
    volume = VolumeSpec("u", "v", 1, "inst1.example.com", params)
    for ask in (lambda: driver.verify(params), lambda: driver.create(ctx, volume),
                lambda: driver.attach(volume)):
        with pytest.raises(BlockDeviceError, match="cannot be told to a program"):
            ask()
    with pytest.raises(OpPrereqError, match="Invalid parameter"):
        ExtTemplate().layout(
            DiskRequest("u", 0, 1, "inst1", options={"provider": "shelf"} | params))


def rewrite(tmp_path: Path, script: str, text: str) -> None:
    (tmp_path / "shelf" / script).write_text(f"#!/bin/sh\n{text}\n")


def test_programs_learn_the_name_of_the_disk(
    driver: Any, ctx: HookContext, tmp_path: Path
) -> None:
    volume = VolumeSpec("u-1", "vol1", 8, disk_name="data")
    driver.create(ctx, volume)
    assert asked(tmp_path, "create")["VOL_CNAME"] == "data"
    driver.attach(replace(volume, disk_name=""))
    assert "VOL_CNAME" not in asked(tmp_path, "attach")


def test_a_stub_in_the_place_of_verify_refuses_nothing(driver: Any, tmp_path: Path) -> None:
    """Ganeti does not run it, so that providers have stubs."""
    rewrite(tmp_path, "verify", "exit 1")
    driver.verify({})
    driver.verify({"access": "kernelspace", "unlisted": "1"})
    with pytest.raises(OpPrereqError, match="shelf does not accept its parameters"):
        driver.verify({"speed": "fast"})


@pytest.mark.parametrize(("printed", "problem"), [
    ("/no/such/device", "which does not exist"), ("sda", "no absolute path"),
    ("", "no URI"), ("\n\n", "no URI"),
])
def test_a_device_that_cannot_be_is_refused_and_detached(
    driver: Any, tmp_path: Path, printed: str, problem: str
) -> None:
    rewrite(tmp_path, "attach", f"printf '{printed}'")
    with pytest.raises(BlockDeviceError, match=rf"vol1: .*/shelf/attach printed .*{problem}"):
        driver.attach(VolumeSpec("u-1", "vol1", 8))
    assert asked(tmp_path, "detach")["VOL_NAME"] == "vol1"


def test_a_volume_may_have_addresses_only(driver: Any, tmp_path: Path) -> None:
    rewrite(tmp_path, "attach", "echo; echo kvm:rbd:pool/$VOL_NAME; echo xen:rbd2:x")
    attached = driver.attach(VolumeSpec("u-1", "vol1", 8))
    assert (attached.device, attached.uris) == (
        "", {"kvm": "rbd:pool/vol1", "xen": "rbd2:x"})


def test_a_program_that_was_removed_is_not_offered_any_more(
    driver: Any, ctx: HookContext, tmp_path: Path
) -> None:
    (tmp_path / "shelf/open").unlink()
    with pytest.raises(NotSupported, match="shelf has no open script"):
        driver.open(VolumeSpec("u-1", "vol1", 8), True)
    assert "open_close" not in driver.describe().capabilities


def test_what_a_program_says_is_readable_and_bounded(
    driver: Any, ctx: HookContext, tmp_path: Path
) -> None:
    rewrite(tmp_path, "attach", "printf '\\033[1m'; head -c 100000 /dev/zero | tr '\\0' x")
    with pytest.raises(BlockDeviceError) as failure:
        driver.attach(VolumeSpec("u-1", "vol1", 8))
    assert len(str(failure.value)) < 1000
    assert "\033" not in str(failure.value)
