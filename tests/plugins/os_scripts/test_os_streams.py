"""``export`` and ``import`` scripts: what they see, and what becomes of a stream that fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec, OsScriptError
from ganeti_core.plugin_api.os import DiskStream
from ganeti_core.plugin_api.testing.streams import (
    breaking_off,
    given_to,
    giving,
    receiving,
    sent_by,
    with_streams,
)
from ganeti_core.plugin_api.transfer import Offer, StreamFailed
from ganeti_plugins.os_scripts.driver import OsScripts

SIZE = 3_000_001
READ = '#!/bin/sh -e\nexec dd if="$EXPORT_DEVICE" bs=1M status=none\n'
WRITE = '#!/bin/sh -e\nexec dd of="$IMPORT_DEVICE" bs=1M conv=notrunc status=none\n'
Streams = Callable[[Offer], int]


@pytest.fixture
def here(ctx: HookContext) -> HookContext:
    return with_streams(ctx)


@pytest.fixture
def disk(tmp_path: Path) -> DiskSpec:
    (tmp_path / "disk").write_bytes(bytes(range(250)) * (SIZE // 250) + b"x")
    return DiskSpec("d15c", 2, "file", 4, path=str(tmp_path / "disk"), uris={"fake": "file://d"})


@pytest.fixture
def instance(disk: DiskSpec) -> InstanceSpec:
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="fake",
        beparams={"maxmem": 128, "vcpus": 1}, os="some+extra", disks=(replace(disk, index=0),),
        osparams={"colour": "very-secret-blue"}, secret_osparams=("colour",))


def hook(
    folder: Path, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, name: str
) -> Streams:
    driver = OsScripts("some", folder)
    return lambda offer: getattr(driver, name)(ctx, instance, "extra", DiskStream(disk, offer))


def test_a_disk_goes_out_and_comes_back(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec
) -> None:
    folder = make_os("some", export=READ, **{"import": WRITE})
    data = sent_by(here, hook(folder, here, instance, disk, "export_disk"))
    assert data == Path(disk.path).read_bytes()
    Path(disk.path).write_bytes(bytes(SIZE))
    given_to(here, data, hook(folder, here, instance, disk, "import_disk"))
    assert Path(disk.path).read_bytes() == data


@pytest.mark.parametrize("what", ["export", "import"])
def test_scripts_are_told_which_disk_is_meant(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec, dump: str,
    tmp_path: Path, what: str,
) -> None:
    act = hook(make_os("some", **{what: dump}), here, instance, disk, f"{what}_disk")
    if what == "export":
        assert sent_by(here, act) == b""
    else:
        given_to(here, b"", act)
    told = json.loads((tmp_path / f"dumps/{what}.json").read_text())
    env, prefix = told["env"], what.upper()
    assert {name: env[name] for name in env if name.startswith(prefix)} == {
        f"{prefix}_DEVICE": disk.path, f"{prefix}_DISK_PATH": disk.path,
        f"{prefix}_DISK_URI": "file://d", f"{prefix}_INDEX": "2"}
    assert env["DISK_0_PATH"] == disk.path
    assert env["OS_VARIANT"] == "extra"
    more = [int(env["EXP_SIZE_FD"])] if what == "export" else []
    assert sorted(told["fds"])[:3 + len(more)] == [0, 1, 2, *more]


@pytest.mark.parametrize("ends", [b"", b"half of it"], ids=["at once", "in the middle"])
def test_an_export_that_fails_is_not_kept(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec, ends: bytes
) -> None:
    folder = make_os("some", export=(
        f"#!/bin/sh\nprintf '%s' '{ends.decode()}'\necho bad sector, $OSP_COLOUR >&2\nexit 7\n"))
    with receiving(here, lambda data: None) as (offer, done):
        with pytest.raises(OsScriptError, match="bad sector") as failure:
            hook(folder, here, instance, disk, "export_disk")(offer)
        with pytest.raises(StreamFailed, match="the source failed: OsScriptError"):
            done.result(60)
    assert "7" in str(failure.value).split(",")[0]
    assert "very-secret-blue" not in str(failure.value)
    (log,) = here.logs.glob("export-some+extra-inst1.example.com-*.log")
    assert "bad sector" in log.read_text()
    assert "very-secret-blue" not in log.read_text()
    assert "half of it" not in log.read_text()


def test_an_import_that_fails_says_why_before_the_stream_ends(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec
) -> None:
    folder = make_os("some", **{"import": "#!/bin/sh\necho no room for it >&2\nexit 3\n"})
    went, go_on = 0, threading.Event()

    def endless() -> object:
        nonlocal went
        while not go_on.wait(0):
            went += 1
            yield bytes(1 << 20)

    with (giving(here, endless()) as (offer, _),
          pytest.raises(OsScriptError, match="no room for it")):
        hook(folder, here, instance, disk, "import_disk")(offer)
    go_on.set()
    assert went < 200


def test_an_import_may_leave_the_rest(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec
) -> None:
    folder = make_os("some", **{"import": '#!/bin/sh\nhead -c 4 >"$IMPORT_DEVICE"\n'})
    given_to(here, b"abcd" * SIZE, hook(folder, here, instance, disk, "import_disk"))
    assert Path(disk.path).read_bytes() == b"abcd"


def test_a_stream_that_breaks_off_is_no_end_of_input(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    folder = make_os("some", **{"import": f"#!/bin/sh\ncat >/dev/null\ntouch {done}\n"})
    with (giving(here, breaking_off(bytes(SIZE))) as (offer, _),
          pytest.raises((StreamFailed, OsScriptError))):
        hook(folder, here, instance, disk, "import_disk")(offer)
    assert not done.exists()


def test_a_cancelled_job_ends_a_script_that_writes_nothing(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec, tmp_path: Path
) -> None:
    began, stop = tmp_path / "began", threading.Event()
    folder = make_os("some", export=f"#!/bin/sh\ntouch {began}\nexec sleep 300\n")
    ctx = replace(here, cancelled=lambda: began.exists() or stop.is_set())
    with (receiving(here, lambda data: None) as (offer, _),
          pytest.raises(OsScriptError, match="the job was cancelled")):
        hook(folder, ctx, instance, disk, "export_disk")(offer)


def test_a_daemon_that_holds_the_output_does_not_hold_up_the_export(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec
) -> None:
    folder = make_os("some", export="#!/bin/sh\necho all of it\nsetsid sleep 60 2>/dev/null &\n")
    assert sent_by(here, hook(folder, here, instance, disk, "export_disk")) == b"all of it\n"


def test_the_size_that_a_script_expects_is_in_the_job(
    make_os: MakeOs, here: HookContext, instance: InstanceSpec, disk: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("ganeti_core.plugin_api.transfer.TOLD_SECONDS", 0.0)
    monkeypatch.setattr("ganeti_core.plugin_api.stream_flow.REPORT_SECONDS", 0.0)
    folder = make_os("some", export=(
        '#!/bin/sh -e\necho 4000000 >&$EXP_SIZE_FD\nhead -c 4000000 /dev/zero\n'))
    ctx = replace(here, feedback=told.append)
    sent_by(here, hook(folder, ctx, instance, disk, "export_disk"))
    assert any("disk/2" in line and "%" in line for line in told), told
