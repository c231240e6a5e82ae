"""The documentation can be rendered, and no link in it leads nowhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (TOP / "docs").rglob("*.md")
               if "examples" not in path.parts)


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_the_site_renders_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(TOP / "mkdocs.yml"),
         "-d", str(tmp_path / "site")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/tutorials/hypervisor/index.html").exists()


def test_no_link_leads_nowhere() -> None:
    links = [(page, target) for page in PAGES
             for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())]
    assert [f"{page.relative_to(TOP)}: {target}" for page, target in links
            if "://" not in target and not (page.parent / target).exists()] == []


def test_paths_that_pages_name_exist() -> None:
    named = {name for page in PAGES
             for name in re.findall(r"`((?:docs|ganeti_core)/[\w./-]+)`", page.read_text())}
    assert [name for name in sorted(named) if not (TOP / name).exists()] == []
