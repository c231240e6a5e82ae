"""An author's machine: an environment with this project from its wheel, its dependencies, no more.

The dependencies are linked from the environment that runs the tests, so no network is needed; the
project is not: it is built and installed as users get it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LEFT_OUT = (".git", ".venv", ".demo", "build", "dist", "tests", "*.egg-info", "__pycache__",
            ".cache", ".*_cache", ".hypothesis")
OURS = ("ganeti_", "__editable__", "_virtualenv", "__pycache__", "schemathesis")
"""What an author's environment has not: our own code, and what the extra `test` does not bring."""
SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


@dataclass(frozen=True)
class Author:
    """Somebody with an environment of their own and a folder to work in."""

    environment: Path
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "GANETI_ROOT")
                if name in os.environ}
        return {
            **kept, "HOME": str(self.home), "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1",
            "PATH": f"{self.environment / 'bin'}:{os.environ['PATH']}"}

    def run(
        self, *words: str, cwd: Path | None = None, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a program; it may fail."""
        return subprocess.run(
            words, cwd=cwd or self.home, env=self.variables, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def must(self, *words: str, cwd: Path | None = None, timeout: float = 180) -> str:
        """Run a program that must succeed; answers what it said."""
        done = self.run(*words, cwd=cwd, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}"
        return done.stdout


def make_environment(folder: Path) -> None:
    """Make a virtual environment with the dependencies and pip, pytest as programs."""
    venv.EnvBuilder(symlinks=True).create(folder)
    there = Path(sysconfig.get_path("purelib"))
    here = site_packages(folder)
    for entry in there.iterdir():
        if not entry.name.startswith(OURS):
            (here / entry.name).symlink_to(entry)
    write_script(folder, "pip", "pip._internal.cli.main", "main")
    write_script(folder, "pytest", "pytest", "console_main")


def site_packages(environment: Path) -> Path:
    found: Path = next((environment / "lib").glob("python*/site-packages"))
    return found


def write_script(environment: Path, name: str, module: str, function: str) -> None:
    path = environment / "bin" / name
    path.write_text(SCRIPT.format(
        python=environment / "bin/python", module=module, function=function))
    path.chmod(0o755)


def install_project(environment: Path, scratch: Path) -> None:
    """Build the project's wheel from a copy of its sources, and install it."""
    source = scratch / "source"
    shutil.copytree(TOP, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    author = Author(environment, scratch)
    author.must("pip", "wheel", "-q", "--no-deps", "-w", str(scratch / "wheels"), str(source))
    (wheel,) = (scratch / "wheels").glob("ganeti_core-*.whl")
    author.must("pip", "install", "-q", "--no-deps", str(wheel))


def base_environment(shared: Path) -> Path:
    """The environment with the project alone; made once for all workers of a test run."""
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = shared / "base"
        if not (shared / "ready").exists():
            make_environment(base)
            install_project(base, shared)
            (shared / "ready").touch()
        return base


def derived_environment(base: Path, folder: Path) -> Path:
    """An environment like `base`, in which others can be installed."""
    make_environment(folder)
    for entry in site_packages(base).glob("ganeti_*"):
        (site_packages(folder) / entry.name).symlink_to(entry)
    (distribution,) = metadata.distributions(
        name="ganeti-core", path=[str(site_packages(base))])
    for script in distribution.entry_points.select(group="console_scripts"):
        write_script(folder, script.name, script.module, script.attr)
    return folder


def can_build() -> bool:
    """Whether distributions can be built here without fetching tools for it."""
    major, minor = (int(part) for part in metadata.version("setuptools").split(".")[:2])
    return (major, minor) >= (70, 1) and sys.prefix != sys.base_prefix
