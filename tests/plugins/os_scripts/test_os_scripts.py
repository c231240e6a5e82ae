"""OS definitions are found, checked and run; what goes wrong is told, and nothing is left."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import HookContext, InstanceSpec, OpPrereqError, OsScriptError
from ganeti_plugins.os_scripts import OsScriptDirectories
from ganeti_plugins.os_scripts.driver import OsScripts

INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="fake",
    beparams={"maxmem": 128, "vcpus": 1}, os="some+default")


def found_in(*folders: Path) -> dict[str, OsScripts]:
    settings = {"os_search_path": [str(folder) for folder in folders]}
    drivers: dict[str, OsScripts] = {}
    for name, driver in OsScriptDirectories().drivers(Path("/"), settings):
        drivers.setdefault(name, driver)
    return drivers


def wait_until(true: object) -> None:
    deadline = time.monotonic() + 15
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# Finding

def test_folders_of_the_search_path_are_definitions(make_os: MakeOs, search_path: Path) -> None:
    make_os("one")
    make_os("two")
    assert {"one", "two"} <= found_in(search_path).keys()


def test_the_first_of_two_definitions_of_one_name_wins(
    make_os: MakeOs, search_path: Path, tmp_path: Path
) -> None:
    make_os("one")
    (tmp_path / "first/one").mkdir(parents=True)
    assert found_in(tmp_path / "first", search_path)["one"].folder == tmp_path / "first/one"


def test_the_definitions_of_the_distribution_are_always_there() -> None:
    assert {"noop", "tiny", "busybox"} <= found_in(Path("/no/such/folder")).keys()


def test_a_definition_dropped_in_later_is_found(make_os: MakeOs, search_path: Path) -> None:
    assert "late" not in found_in(search_path)
    make_os("late")
    assert "late" in found_in(search_path)


# Reading

def test_a_good_definition_tells_what_it_has(make_os: MakeOs, ctx: HookContext) -> None:
    folder = make_os("good")
    info = OsScripts("good", folder).info(ctx)
    assert info.problem == ""
    assert info.path == str(folder)
    assert info.api_versions == (20, 15, 10)
    assert info.variants == ("default", "extra")
    assert info.parameters == (("colour", "A colour, unused"), ("fail", "What fails"))


@pytest.mark.parametrize(("spoil", "problem"), [
    (lambda folder: (folder / "create").unlink(), "create is missing"),
    (lambda folder: (folder / "verify").chmod(0o644), "verify is not executable"),
    (lambda folder: (folder / "ganeti_api_version").unlink(), "ganeti_api_version is missing"),
    (lambda folder: (folder / "ganeti_api_version").write_text("99\n"), "99"),
    (lambda folder: (folder / "ganeti_api_version").write_text("new\n"), "else than numbers"),
    (lambda folder: (folder / "parameters.list").unlink(), "parameters.list is missing"),
    (lambda folder: (folder / "variants.list").write_bytes(b"\xff\xfe"), "cannot be read"),
])
def test_a_spoilt_definition_tells_its_problem_and_cannot_be_used(
    make_os: MakeOs, ctx: HookContext, spoil: object, problem: str
) -> None:
    folder = make_os("spoilt")
    spoil(folder)  # type: ignore[operator]
    driver = OsScripts("spoilt", folder)
    assert problem in driver.info(ctx).problem
    with pytest.raises(OpPrereqError, match="spoilt"):
        driver.validate(ctx, "", {}, False)
    with pytest.raises(OsScriptError, match="spoilt"):
        driver.create(ctx, INSTANCE, "", False)


def test_an_old_definition_needs_no_verify(make_os: MakeOs, ctx: HookContext) -> None:
    folder = make_os("old", versions="10\n5\n")
    for name in ("verify", "parameters.list", "variants.list"):
        (folder / name).unlink()
    driver = OsScripts("old", folder)
    assert driver.info(ctx).problem == ""
    driver.validate(ctx, "", {}, False)
    driver.create(ctx, INSTANCE, "", False)


# Validating

def test_variants_and_parameters_are_checked(make_os: MakeOs, ctx: HookContext) -> None:
    driver = OsScripts("some", make_os("some"))
    driver.validate(ctx, "extra", {"colour": "red"}, False)
    driver.validate(ctx, "purple", {}, True)
    driver.validate(ctx, "", {}, True)
    with pytest.raises(OpPrereqError, match="no variant purple; it has: default, extra"):
        driver.validate(ctx, "purple", {}, False)
    with pytest.raises(OpPrereqError, match="not supported by the OS some: size, width"):
        driver.validate(ctx, "extra", {"width": "1", "size": "2", "colour": "red"}, False)
    with pytest.raises(OpPrereqError, match="'some' must include a variant; it has: default, ex"):
        driver.validate(ctx, "", {}, False)


def test_an_os_without_variants_has_none(make_os: MakeOs, ctx: HookContext) -> None:
    folder = make_os("some")
    (folder / "variants.list").unlink()
    driver = OsScripts("some", folder)
    driver.validate(ctx, "", {}, False)
    driver.validate(ctx, "extra", {}, True)
    with pytest.raises(OpPrereqError, match=r"'some' does not support variants \('extra' passed"):
        driver.validate(ctx, "extra", {}, False)


def test_an_old_definition_takes_any_parameter_and_no_variant(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, dump: str
) -> None:
    """Ganeti checks parameters from API 20 on, and variants are known from API 15 on."""
    driver = OsScripts("old", make_os("old", versions="10\n5\n", create=dump))
    driver.validate(ctx, "", {"what-ever": "1"}, False)
    with pytest.raises(OpPrereqError, match="does not support variants"):
        driver.validate(ctx, "extra", {}, True)
    driver.create(ctx, replace(INSTANCE, osparams={"what-ever": "1"}), "", False)
    seen = json.loads((tmp_path / "dumps/create.json").read_text())["env"]
    assert (seen["OSP_WHAT_EVER"], seen["OS_VARIANT"]) == ("1", "")


def test_a_definition_of_the_shape_of_debians_runs(
    search_path: Path, ctx: HookContext, tmp_path: Path
) -> None:
    """API 10 and 5 only, no lists, no verify, and a script that is a link to a common one."""
    folder = search_path / "plain"
    folder.mkdir()
    (folder / "ganeti_api_version").write_text("10\n5\n")
    (folder / "common.sh").write_text(f'echo "${{0##*/}} of $INSTANCE_NAME" >>{tmp_path}/ran\n')
    for name in ("create", "export", "import", "rename"):
        (folder / name).write_text('#!/bin/sh -e\n. "${0%/*}/common.sh"\n')
        (folder / name).chmod(0o755)
    driver = found_in(search_path)["plain"]
    assert driver.info(ctx).problem == ""
    driver.validate(ctx, "", {}, False)
    driver.create(ctx, INSTANCE, "", False)
    driver.rename(ctx, INSTANCE, "", "old.example.com")
    assert (tmp_path / "ran").read_text() == (
        "create of inst1.example.com\nrename of inst1.example.com\n")


def test_the_verify_script_may_refuse(make_os: MakeOs, ctx: HookContext) -> None:
    script = '#!/bin/sh\n[ "$1 $OSP_COLOUR" != "parameters red" ] || { echo no red; exit 4; }\n'
    driver = OsScripts("some", make_os("some", verify=script))
    driver.validate(ctx, "extra", {"colour": "blue"}, False)
    with pytest.raises(OpPrereqError, match=r"(?s)status 4.*no red"):
        driver.validate(ctx, "extra", {"colour": "red"}, False)


# Running

def test_a_run_has_a_private_log(make_os: MakeOs, ctx: HookContext) -> None:
    driver = OsScripts("some", make_os("some", create="#!/bin/sh\necho said; echo so >&2\n"))
    driver.create(ctx, INSTANCE, "default", False)
    log, = ctx.logs.iterdir()
    assert re.fullmatch(
        r"add-some\+default-inst1\.example\.com-\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.log", log.name)
    assert log.read_text() == "said\nso\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_long_names_have_logs_of_their_own(make_os: MakeOs, ctx: HookContext) -> None:
    driver = OsScripts("some", make_os("some"))
    for end in "ab":
        driver.create(ctx, replace(INSTANCE, name="\u00e9" * 200 + end), "default", False)
    driver.create(ctx, replace(INSTANCE, name="c" * 220), "default", False)
    names = {log.name for log in ctx.logs.iterdir()}
    assert len(names) == 3
    assert all(name.startswith("add-some+default-") for name in names)


def test_a_failed_run_tells_how_where_and_the_last_lines(
    make_os: MakeOs, ctx: HookContext
) -> None:
    driver = OsScripts("some", make_os("some", create="#!/bin/sh\nseq 1 100\nexit 3\n"))
    with pytest.raises(OsScriptError) as failure:
        driver.create(ctx, INSTANCE, "", False)
    text = str(failure.value)
    assert "OS create script failed (exited with status 3)" in text
    assert str(next(ctx.logs.iterdir())) in text
    assert text.endswith("\n99\n100")
    assert "\n81\n" in text
    assert "\n80\n" not in text


@pytest.mark.parametrize(("script", "how"), [
    ("#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV"),
    ("#!/bin/sh\nkill -KILL $$\n", "SIGKILL"),
    ("#!/no/such/interpreter\n", "cannot run"),
    ("not a program\n", "cannot run"),
])
def test_other_ends_are_told(make_os: MakeOs, ctx: HookContext, script: str, how: str) -> None:
    with pytest.raises(OsScriptError, match=f"(?s){how}"):
        OsScripts("some", make_os("some", create=script)).create(ctx, INSTANCE, "", False)


def test_values_of_parameters_stay_out_of_the_message(make_os: MakeOs, ctx: HookContext) -> None:
    """They may be secret; the message goes into the job."""
    driver = OsScripts("some", make_os("some", create="#!/bin/sh -x\n: $OSP_COLOUR\nexit 1\n"))
    secret = replace(INSTANCE, osparams={"colour": "hunter2-hunter2"})
    with pytest.raises(OsScriptError) as failure:
        driver.create(ctx, secret, "", False)
    assert "hunter2" not in str(failure.value)
    assert "OSP_COLOUR" in str(failure.value)


HANGING = """#!/bin/sh
sleep 1000 &
setsid sleep 1000 &
echo $! > {pids}.new
echo $$ >> {pids}.new
mv {pids}.new {pids}
wait
"""


def test_a_cancelled_job_ends_its_script_with_all_that_it_started(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    driver = OsScripts("some", make_os("some", create=HANGING.format(pids=pids)))
    with pytest.raises(OsScriptError, match="cancelled"):
        driver.create(replace(ctx, cancelled=pids.exists), INSTANCE, "", False)
    assert all(gone(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize("whole_group", [True, False])
def test_no_script_outlives_a_killed_worker(
    make_os: MakeOs, ctx: HookContext, tmp_path: Path, whole_group: bool
) -> None:
    pids = tmp_path / "pids"
    folder = make_os("some", create=HANGING.format(pids=pids))
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from ganeti_core.plugin_api import InstanceSpec
        from ganeti_core.plugin_api.testing.contexts import make_context
        from ganeti_plugins.os_scripts.driver import OsScripts
        instance = InstanceSpec("u", "inst1", "fake", beparams={"maxmem": 1, "vcpus": 1})
        OsScripts("some", Path(sys.argv[2])).create(
            make_context(Path(sys.argv[1])), instance, "", False)
    """)
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(ctx.root), str(folder)], start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    wait_until(pids.exists)
    (os.killpg if whole_group else os.kill)(worker.pid, signal.SIGKILL)
    worker.wait()
    wait_until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))


def test_parameters_are_called_as_they_are_listed(make_os: MakeOs, ctx: HookContext) -> None:
    """Ganeti takes them so, too; only the variable is in capital letters."""
    folder = make_os("cased")
    (folder / "parameters.list").write_text("rootSize The size of the root\n")
    driver = OsScripts("cased", folder)
    driver.validate(ctx, "default", {"rootSize": "1"}, force_variant=False)
    with pytest.raises(OpPrereqError, match="not supported by the OS cased: rootsize"):
        driver.validate(ctx, "default", {"rootsize": "1"}, force_variant=False)


@pytest.mark.parametrize(("name", "value"), [
    ("", "1"), ("a=b", "1"), ("a\0b", "1"), ("a", "1\0"), ("a", "\ud800")])
def test_what_no_script_can_be_told_is_refused(
    make_os: MakeOs, ctx: HookContext, name: str, value: str
) -> None:
    """Those of an old interface take any parameter."""
    driver = OsScripts("old", make_os("old", "10\n"))
    with pytest.raises(OpPrereqError, match="cannot be told to a script"):
        driver.validate(ctx, "", {name: value}, force_variant=False)
