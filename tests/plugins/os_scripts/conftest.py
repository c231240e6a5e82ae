"""OS definitions made for one test."""

import sys
from pathlib import Path

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import make_context

DUMP = f"""#!{sys.executable} -I
import json, os, sys
mask = os.umask(0)
here = "/proc/self/fd/"
fds = [int(fd) for fd in os.listdir(here) if os.path.exists(here + fd)]
told = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "umask": mask,
        "fds": fds}}
with open("DUMPS/" + os.path.basename(sys.argv[0]) + ".json", "w") as out:
    json.dump(told, out)
"""


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1")


@pytest.fixture
def search_path(tmp_path: Path) -> Path:
    folder = tmp_path / "os"
    folder.mkdir()
    return folder


@pytest.fixture
def make_os(search_path: Path) -> MakeOs:
    """Make an OS definition whose scripts do nothing, apart from those given."""

    def make(name: str, versions: str = "20\n15\n10\n", **scripts: str) -> Path:
        folder = search_path / name
        folder.mkdir()
        (folder / "ganeti_api_version").write_text(versions)
        (folder / "variants.list").write_text("default\nextra\n")
        (folder / "parameters.list").write_text("colour A colour, unused\nfail\tWhat fails\n")
        for script in ("create", "export", "import", "rename", "verify"):
            (folder / script).write_text(scripts.get(script, "#!/bin/sh\nexit 0\n"))
            (folder / script).chmod(0o755)
        return folder

    return make


@pytest.fixture
def dump(tmp_path: Path) -> str:
    """A script that writes what it sees as JSON into the folder `dumps`."""
    (tmp_path / "dumps").mkdir()
    return DUMP.replace("DUMPS", str(tmp_path / "dumps"))
