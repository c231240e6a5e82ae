"""Which files are programs, what a program gets, and what is said when it is broken."""

import json
import stat
from pathlib import Path

import pytest
from virtual_cluster import wait_until

from ganeti_core.errors import OpExecError
from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.iallocator_script import AllocatorPrograms
from ganeti_plugins.iallocator_script.program import AllocatorProgram

GOOD = """echo '{"success": true, "info": "ok", "result": ["node1"]}'"""


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path)


def program(folder: Path, script: str = GOOD, name: str = "prog", mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def solve(ctx: HookContext, script: str, deadline: float = 30.0) -> dict[str, object]:
    driver = AllocatorProgram("prog", program(ctx.root / "bin", script), deadline)
    return driver.solve(ctx, {"version": 2, "request": {"type": "allocate"}}, {})


def test_parameters_are_arguments(ctx: HookContext) -> None:
    script = """printf '{"success": true, "info": "%s %s %s", "result": []}' $# $2 $3"""
    driver = AllocatorProgram("prog", program(ctx.root / "bin", script))
    answer = driver.solve(ctx, {"version": 2}, {"no-capacity-checks": None, "depth": "3"})
    assert answer["info"] == "3 --no-capacity-checks --depth=3"


def found(root: Path, *folders: str) -> dict[str, Path]:
    settings = {"iallocator_search_path": list(folders)} if folders else {}
    return {name: driver.path for name, driver in AllocatorPrograms().drivers(root, settings)}


def test_executables_of_the_usual_folders_are_found(tmp_path: Path) -> None:
    first = program(tmp_path / "usr/lib/ganeti/iallocators", name="hop")
    second = program(tmp_path / "usr/local/lib/ganeti/iallocators", name="skip_2")
    assert found(tmp_path) == {"hop": first, "skip_2": second}


def test_the_first_folder_wins(tmp_path: Path) -> None:
    first = program(tmp_path / "opt/a")
    program(tmp_path / "opt/b")
    assert found(tmp_path, "/opt/a", "/opt/b", "/opt/missing") == {"prog": first}


def test_what_is_no_program_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "opt/a"
    program(folder, name="readme", mode=0o644)
    program(folder, name="prog.bak")
    program(folder, name=".hidden")
    (folder / "subfolder").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    assert found(tmp_path, "/opt/a") == {}


def test_a_program_gets_a_private_file_that_is_gone_afterwards(
    ctx: HookContext, tmp_path: Path
) -> None:
    script = f"""
        echo "$#" "$1" > {tmp_path}/seen
        stat -c %a "$1" > {tmp_path}/mode
        cp "$1" {tmp_path}/copy
        {GOOD}"""
    assert solve(ctx, script)["result"] == ["node1"]
    count, path = (tmp_path / "seen").read_text().split()
    assert count == "1"
    assert not Path(path).exists()
    assert int((tmp_path / "mode").read_text(), 8) == stat.S_IRUSR | stat.S_IWUSR
    assert json.loads((tmp_path / "copy").read_text())["request"] == {"type": "allocate"}


def test_info_is_readable_and_bounded(ctx: HookContext) -> None:
    script = r"""printf '{"success": true, "result": [], "info": "\\u001b[1mok\\u0007'
        head -c 100000 /dev/zero | tr '\0' x; echo '"}'"""
    info = str(solve(ctx, script)["info"])
    assert info.startswith("okx")
    assert len(info) < 5000


def test_much_on_standard_error_is_no_problem(ctx: HookContext) -> None:
    assert solve(ctx, f"head -c 3000000 /dev/zero >&2; {GOOD}")["result"] == ["node1"]


def test_no_room_is_an_answer(ctx: HookContext) -> None:
    answer = solve(ctx, """echo '{"success": false, "info": "no room", "result": []}'""")
    assert answer == {"success": False, "info": "no room", "result": []}


def test_the_result_may_have_its_old_name(ctx: HookContext) -> None:
    answer = solve(ctx, """echo '{"success": true, "info": "", "nodes": ["node7"]}'""")
    assert answer["result"] == ["node7"]


@pytest.mark.parametrize(("script", "says"), [
    ("echo boom >&2; exit 3", "status 3: boom"),
    ("printf '\\033[31mboom\\007' >&2; exit 3", "status 3: boom$"),
    ("printf '\\033[31mhint\\007' >&2", "it said: hint$"),
    ("head -c 20000000 /dev/zero | tr '\\0' x; echo hint >&2", "too long, .*it said: hint"),
    ("head -c 100000 /dev/zero | tr '\\0' '['", r"cannot parse.*begins '\[\["),
    ("head -c 99 /dev/urandom", "cannot parse"),
    ("kill -9 $$", "SIGKILL"),
    ("echo hint >&2", "it is empty; it said: hint"),
    ("echo not json; echo hint >&2", "cannot parse.*not json.*hint"),
    ("echo '[]'", "no object"),
    ("""echo '{"success": 1, "info": "", "result": []}'""", "'success' must be true or false"),
    ("""echo '{"success": true, "result": []}'""", "'info' must be a string"),
    ("""echo '{"success": true, "info": ""}'""", "'result'"),
    ("""echo '{"success": true, "info": "", "result": {}}'""", "'result' must be a list"),
])
def test_a_broken_program_is_named_with_its_problem(
    ctx: HookContext, script: str, says: str
) -> None:
    with pytest.raises(OpExecError, match=f"(?s)iallocator prog .*{says}"):
        solve(ctx, script)
    assert list(ctx.state.iterdir()) == []


def test_a_program_that_hangs_is_killed_with_what_it_started(
    ctx: HookContext, tmp_path: Path
) -> None:
    with pytest.raises(OpExecError, match=r"longer than 0\.5 s"):
        solve(ctx, f"sleep 600 & echo $! > {tmp_path}/child; wait", deadline=0.5)
    child = int((tmp_path / "child").read_text())
    # Whoever is killed still has to be seen off by the kernel, and then to be reaped.
    wait_until(lambda: is_gone(child), "it is killed")


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_program_that_vanished_is_named(ctx: HookContext) -> None:
    with pytest.raises(OpExecError, match="iallocator gone"):
        AllocatorProgram("gone", ctx.root / "gone").solve(ctx, {}, {})
