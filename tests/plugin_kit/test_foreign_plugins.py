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
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import NodeIdentity

COLLECTOR = """
    from ganeti_core.plugin_api import Description, hookimpl
    from ganeti_core.plugin_api.data import Collected, Report

    class Fine:
        @hookimpl
        def describe(self):
            return Description(api_version=0, title="All is well")

        @hookimpl
        def collect(self):
            return Collected(Report({"well": True}))
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


AGAIN = """
import json, logging, sys
logging.disable()
from pathlib import Path
from third_party import install
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugins import PluginHost
folder, source = Path(sys.argv[1]), sys.argv[2]
host = PluginHost()
host.load([KINDS["collectors"]])

def told():
    changed = host.refresh_distributions()
    kind = KINDS["collectors"]
    problems = {name: row.problem for (_, name), row in host.rejected.items()}
    titles = {name: host.describe(kind, name).title for name in host.names(kind)
              if host.is_foreign(kind, name)}
    print(json.dumps([changed, titles, problems]))

told()
install(folder, "ganeti-pair", {"collectors:one": "Fine", "collectors:two": "Fine"}, source)
told()
told()
module = folder / "ganeti_pair.py"
module.write_text(module.read_text().replace("All is well", "Better still"))  # as `pip install -e`
told()
module.write_text("import a_library_that_nobody_has")
told()
module.write_text("import os; os._exit(4)")
told()
install(folder, "ganeti-other", {"collectors:two": "Fine"}, source)
module.unlink()
(folder / "ganeti_pair-1.0.dist-info/entry_points.txt").write_text("")
told()
install(folder, "ganeti-ears", {"events:ears": "Fine"}, source)
told()
told()
"""


def test_what_is_installed_changed_and_removed_is_seen_when_one_looks_again(tmp_path: Path) -> None:
    """A driver whose code broke is used no more, nor are its neighbours in the same module."""
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{tests}",
                                "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", AGAIN, str(tmp_path), COLLECTOR],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    nothing, installed, same, edited, broken, ends, other, heard, again = map(
        json.loads, done.stdout.splitlines())
    both = {"one": "All is well", "two": "All is well"}
    assert nothing == [False, {}, {}]
    assert installed == [True, both, {}]
    assert same == [False, both, {}]
    assert edited == [True, dict.fromkeys(both, "Better still"), {}]
    assert broken[:2] == [True, {}]
    assert all("a_library_that_nobody_has" in broken[2][name] for name in both)
    assert all("exit status 4" in ends[2][name] for name in both)
    assert other == [True, {"two": "All is well"}, {}]
    # Subscribers are others' to load: only that there is a new one is noticed.
    assert heard == [True, {"two": "All is well"}, {}]
    assert again == [False, {"two": "All is well"}, {}]


LINKED = """
import json, logging, site, sys
logging.disable()
from pathlib import Path
from third_party import install
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugins import PluginHost
folder, source = Path(sys.argv[1]), sys.argv[2]
site.getsitepackages = lambda: [str(folder)]
host = PluginHost()
host.load([KINDS["collectors"]])

def told():
    host.refresh_distributions()
    problems = {name: row.problem for (_, name), row in host.rejected.items()}
    names = [name for name in host.names(KINDS["collectors"])
             if host.is_foreign(KINDS["collectors"], name)]
    print(json.dumps([names, problems, str(folder / "src") in sys.path]))

install(folder / "src", "ganeti-linked", {"collectors:linked": "Fine"}, source)
metadata = "ganeti_linked-1.0.dist-info"
(folder / "src" / metadata).rename(folder / metadata)
(folder / "linked.pth").write_text(f"import nothing\\n{folder / 'src'}\\n")
told()
(folder / "linked.pth").unlink()
(folder / metadata / "entry_points.txt").write_text("")
told()
"""


def test_what_was_linked_in_by_an_editable_install_is_found_when_one_looks_again(
    tmp_path: Path
) -> None:
    """Its folder is named by a file that Python reads only when it starts."""
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{tests}",
                                "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", LINKED, str(tmp_path), COLLECTOR],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    linked, unlinked = map(json.loads, done.stdout.splitlines())
    assert linked == [["linked"], {}, True]
    assert unlinked == [[], {}, False]


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
    ("class Fine: pass", "nothing of Fine is marked with @hookimpl"),
    (COLLECTOR.replace("def collect(self)", "def colect(self)"), "colect"),
    (COLLECTOR.replace("def collect(self)", "def collect(self, when)"), "when"),
    (COLLECTOR.replace("api_version=0", "api_version=99"), "update the core"),
    (COLLECTOR.replace("return Description(api_version=0, title=\"All is well\")", "return 5"),
     "no Description"),
    ("import os\nos._exit(7)", "it ended the process that tried to (exit status 7)"),
    ("import os\nos.kill(os.getpid(), 11)", "it ended the process that tried to (SIGSEGV)"),
    (COLLECTOR.replace("return Desc", "raise KeyError('today'); return Desc"),
     "describe() raised KeyError: 'today'"),
    (COLLECTOR.replace("title=", "capabilities=frozenset({'statefull'}), title="),
     "there is no capability 'statefull'; there are: none"),
    (COLLECTOR.replace("title=", "interval=0.1, title="),
     "interval is 0.1, and must be between 1 and 86400 seconds"),
    (COLLECTOR.replace("title=", "category='odd', title="),
     "there is no category 'odd' of reports; there are: storage, instance, daemon, hypervisor"),
    (COLLECTOR.replace("title=", "report_kind=3, title="), "report_kind is 3, and must be 0"),
    (COLLECTOR.replace("def collect(self)", "def collect(self, ctx=None)"),
     "the hook collect gives 'ctx' a default"),
    (COLLECTOR.replace("def collect(self)", "def collect(self, *, ctx)"),
     "the hook collect takes 'ctx' by keyword only"),
    (COLLECTOR.replace("title=", "parameters={'properties': {'a': {'default': 1}}}, title="),
     "the parameter 'a' has no description"),
    (COLLECTOR.replace(
        "title=", "parameters={'properties': {'a': {'description': 'A'}}}, title="),
     "the parameter 'a' has no default"),
    (COLLECTOR.replace("title=", "parameters={'properties': {'a': {'description': 'A', "
                       "'type': 'integer', 'default': 'x'}}}, title="),
     "the default of the parameter 'a' does not fit its own schema: 'x' is not of type 'integer'"),
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


@pytest.mark.parametrize("source", [
    "import time\ntime.sleep(600)",
    COLLECTOR.replace("return Desc", "__import__('time').sleep(600); return Desc"),
])
def test_one_that_hangs_is_told_and_hides_nobody(source: str, tmp_path: Path) -> None:
    install(tmp_path, "ganeti-bad", {"collectors:bad": "Fine"}, source)
    install(tmp_path, "ganeti-good", {"collectors:good": "Fine"}, COLLECTOR)
    found = status(tmp_path)
    assert found["bad"]["problem"].endswith(
        "its import and description took longer than 10 s")
    assert found["good"]["problem"] == ""


def test_a_name_that_nobody_could_type_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "ganeti-odd", {"collectors:bad name": "Fine"}, COLLECTOR)
    assert "'bad name' cannot be the name of a plugin" in status(tmp_path)["bad name"]["problem"]


def test_nobody_takes_the_place_of_what_the_core_brings(tmp_path: Path) -> None:
    marker = f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
    install(tmp_path, "ganeti-other", {"iallocators:hail": "Fine"}, marker)
    hail = status(tmp_path, "iallocators")["hail"]
    assert hail["problem"] == ""
    assert hail["note"] == "ganeti_other provides it, too, and is not used"
    assert not (tmp_path / "imported").exists()


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
        told.append([name for name in host.names(COLLECTORS) if name == "fine"])
    except OpPrereqError as exc:
        told.append([exc.ecode, *(name for name in host.names(COLLECTORS) if name == "fine")])
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
    world = World(LocalNode(identity, Paths(tmp_path)), host)
    (name, *_) = host.names(DISK_TEMPLATES)
    assert world.hooks(DISK_TEMPLATES, name, {}).describe().title
    with pytest.raises(OpPrereqError, match="disabled by the administrator"):
        world.hooks(DISK_TEMPLATES, name, {"disabled_plugins": [f"disk_templates:{name}"]})
