"""What tests of the lab share: the project's package, built once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package: the one that ``GANETI_DEB`` names, or one that is built now."""
    if given := os.environ.get("GANETI_DEB"):
        return Path(given)
    if missing := [name for name in ("dpkg-deb", "go-md2man") if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run([sys.executable, TOP / "packaging/build_deb.py", "--folder", folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
