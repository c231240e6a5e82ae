"""What the host makes of distributions that others have installed, good and bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from third_party import install

from ganeti_core.errors import OpPrereqError
from ganeti_core.node.world import Place, World
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import NodeIdentity

COLLECTOR = """
    from ganeti_core.plugin_api import Description, hookimpl
    from ganeti_core.plugin_api.data import Report

    class Fine:
        @hookimpl
        def describe(self):
            return Description(api_version=0, title="All is well")

        @hookimpl
        def collect(self):
            return Report({"well": True})
"""
SHOW = """
import json, logging, sys
from dataclasses import asdict
logging.disable()
from ganeti_core.plugins import PluginHost
from ganeti_core.plugin_api.all_kinds import KINDS
host = PluginHost(disabled=frozenset(sys.argv[2:]))
host.load([KINDS[sys.argv[1]]])
print(json.dumps([asdict(row) for row in host.status()]))
"""


def status(folder: Path, kind: str = "collectors", disabled: str = "") -> dict[str, dict[str, Any]]:
    """What a daemon with this folder on its path would tell of its plugins, by name."""
    # The cache of entry points must not outlive the test, nor be shared with others.
    environment = os.environ | {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", SHOW, kind, *filter(None, [disabled])],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_a_healthy_plugin_is_told_with_its_distribution(tmp_path: Path) -> None:
    install(tmp_path, "ganeti-fine", {"collectors:fine": "Fine"}, COLLECTOR, "2.5")
    fine = status(tmp_path)["fine"]
    assert (fine["distribution"], fine["version"], fine["problem"]) == ("ganeti-fine", "2.5", "")
    assert fine["title"] == "All is well"
    assert 0 < fine["seconds"] < 30


def test_two_distributions_with_one_name_are_both_told_and_neither_is_used(tmp_path: Path) -> None:
    for name in ("ganeti-one", "ganeti-two"):
        install(tmp_path, name, {"collectors:fine": "Fine"}, COLLECTOR)
    fine = status(tmp_path)["fine"]
    assert "ganeti-one" in fine["problem"]
    assert "ganeti-two" in fine["problem"]
    assert fine["distribution"] == "ganeti-one, ganeti-two"


@pytest.mark.parametrize(("source", "said"), [
    ("import no_such_library", "no_such_library"),
    ("raise SystemExit('I quit')", "I quit"),
    ("assert False, 'never'", "never"),
    ("class Fine:\n    def __init__(self): raise ValueError('not today')", "not today"),
    ("class Fine: pass", "lacks the hook describe"),
    (COLLECTOR.replace("def collect(self)", "def colect(self)"), "colect"),
    (COLLECTOR.replace("def collect(self)", "def collect(self, when)"), "when"),
    (COLLECTOR.replace("api_version=0", "api_version=99"), "update the core"),
    (COLLECTOR.replace("return Description(api_version=0, title=\"All is well\")", "return 5"),
     "no Description"),
])
def test_a_broken_one_is_told_with_its_reason_and_hides_nobody(
    source: str, said: str, tmp_path: Path
) -> None:
    install(tmp_path, "ganeti-bad", {"collectors:bad": "Fine"}, source)
    install(tmp_path, "ganeti-good", {"collectors:good": "Fine"}, COLLECTOR)
    found = status(tmp_path)
    assert said in found["bad"]["problem"]
    assert found["bad"]["distribution"] == "ganeti-bad"
    assert found["good"]["problem"] == ""


def test_a_disabled_one_is_not_even_imported(tmp_path: Path) -> None:
    source = f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
    install(tmp_path, "ganeti-fine", {"collectors:fine": "Fine"}, source)
    assert status(tmp_path, disabled="collectors:fine")["fine"]["problem"] == (
        "disabled by the administrator")
    assert not (tmp_path / "imported").exists()


OBEY = """
import json, logging
logging.disable()
from ganeti_core.errors import OpPrereqError
from ganeti_core.plugins import PluginHost
from ganeti_core.plugin_api.collector import COLLECTORS
host = PluginHost(disabled=frozenset({"collectors:fine"}))
host.load([COLLECTORS])
told = []
for disabled in (["collectors:fine"], [], ["collectors:fine"], []):
    host.obey(disabled)
    try:
        host.driver(COLLECTORS, "fine")
        told.append(host.names(COLLECTORS))
    except OpPrereqError as exc:
        told.append([exc.ecode, *host.names(COLLECTORS)])
print(json.dumps(told))
"""


def test_a_host_obeys_when_plugins_are_switched_off_and_on(tmp_path: Path) -> None:
    install(tmp_path, "ganeti-fine", {"collectors:fine": "Fine"}, COLLECTOR)
    done = subprocess.run(
        [sys.executable, "-c", OBEY], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert json.loads(done.stdout) == [["wrong_state"], ["fine"], ["wrong_state"], ["fine"]]


def test_a_node_refuses_what_the_cluster_has_disabled(tmp_path: Path) -> None:
    identity = NodeIdentity("u-1", "node1.example.com", "127.0.0.1", 1811)
    host = PluginHost()
    host.load([DISK_TEMPLATES])
    world = World(Place(identity, Paths(tmp_path)), host)
    (name, *_) = host.names(DISK_TEMPLATES)
    assert world.hooks(DISK_TEMPLATES, name, {}).describe().title
    with pytest.raises(OpPrereqError, match="disabled by the administrator"):
        world.hooks(DISK_TEMPLATES, name, {"disabled_plugins": [f"disk_templates:{name}"]})
