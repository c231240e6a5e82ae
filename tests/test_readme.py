"""The README's promises: its targets exist, its links lead somewhere, its plugin is one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugins import PluginHost

TOP = Path(__file__).resolve().parent.parent
README = TOP / "README.md"
PAGES = [README, TOP / "CHANGELOG.md", TOP / "docs/vcluster.md"]


def test_the_plugin_of_the_readme_is_one(tmp_path):
    source = re.findall(r"(?s)```python\n(.*?)```", README.read_text())[0]
    found: dict[str, type] = {}
    exec(compile(source, "README.md", "exec"), found)  # noqa: S102  # it is our own page
    host = PluginHost()
    host.add(COLLECTORS, "uptime", found["UptimeCollector"]())
    collector = host.driver(COLLECTORS, "uptime")
    collected = collector.collect(ctx=make_context(tmp_path, "node1"), previous=None)
    assert collected.report.data["seconds"] > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_targets_of_the_readme_exist():
    for target in set(re.findall(r"(?m)(?:^ +|`)make ([a-z-]+)", README.read_text())):
        ran = subprocess.run(["make", "--dry-run", target], cwd=TOP, capture_output=True, text=True)
        assert ran.returncode == 0, f"make {target}: {ran.stderr}"


def test_commands_of_the_readme_exist():
    scripts = (TOP / "setup.cfg").read_text()
    # What there is not yet is listed there, too.
    for command in set(re.findall(r"\bgnt-[a-z-]+", README.read_text().partition(
            "There are not yet")[0])):
        assert f"    {command} = " in scripts
