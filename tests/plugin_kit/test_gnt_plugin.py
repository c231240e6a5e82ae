"""The command `gnt-plugin` without a cluster: what it shows, and what it costs to ask for help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.cli.plugin.commands import run
from ganeti_core.cli.plugin.names import KINDS, kind_name, plugin_named
from ganeti_core.errors import OpPrereqError

HEAVY = {"pluggy", "stevedore", "Pyro5", "jsonschema", "cattrs", "cryptography", "numpy",
         "importlib.metadata", "asyncio"}
PROGRAM = """
import sys
from ganeti_core.cli.plugin import main
sys.argv[0] = "gnt-plugin"
try:
    main()
except SystemExit:
    pass
print("modules:", *sys.modules)
"""


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANETI_ROOT", str(tmp_path))


@pytest.mark.parametrize("argv", [["--help"], ["new", "--help"], ["list", "--help"], []])
def test_help_imports_nothing_heavy(argv: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True,
                          check=True)
    loaded = set(done.stdout.rpartition("modules:")[2].split())
    assert not HEAVY & loaded
    assert not {name for name in loaded if name.startswith("ganeti_core.plugin_api")}


@pytest.mark.parametrize("text", ["disk_template", "disk-template", "disk_templates"])
def test_a_kind_may_be_called_as_users_call_it(text: str) -> None:
    assert kind_name(text) == "disk_templates"


PLUGINS = {("hypervisors", "kvm"), ("hypervisors", "file"), ("disk_templates", "file")}


@pytest.mark.parametrize("text", ["hypervisor:kvm", "hypervisors:kvm", "hypervisor kvm", "kvm"])
def test_a_plugin_may_be_called_in_several_ways(text: str) -> None:
    assert plugin_named(text.split(), lambda: PLUGINS) == ("hypervisors", "kvm")


@pytest.mark.parametrize(("text", "why"), [
    ("hypervisor", "no plugin 'hypervisor'"), ("nosuch", "no plugin 'nosuch'"),
    ("hypervisor:", "is not KIND:NAME"), ("x:y", "no kind 'x'"), ("x y", "no kind 'x'"),
    ("hypervisor kvm xen", "is not KIND:NAME"), ("hypervisor kvm:xen", "is not KIND:NAME"),
    ("file", "disk_templates:file, hypervisors:file"),
])
def test_what_is_no_plugin_is_refused(text: str, why: str) -> None:
    with pytest.raises(OpPrereqError, match=why):
        plugin_named(text.split(), lambda: PLUGINS)


@pytest.mark.parametrize("words", [["hypervisor", "fake"], ["fake"]])
def test_one_plugin_is_explained_however_it_is_called(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", *words]) == 0
    assert capsys.readouterr().out.startswith("hypervisors:fake\n")


def test_the_list_names_origin_version_and_health(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "hypervisor", "--separator", "|"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["Kind", "Name", "API", "Version", "Distribution", "Load", "Health"]
    fake = next(row for row in rows if row[1] == "fake")
    assert (fake[0], fake[4], fake[6]) == ("hypervisors", "ganeti-core", "ok")
    assert fake[5].endswith("ms")


def test_info_without_arguments_explains_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info"]) == 0
    said = capsys.readouterr().out
    for singular, (kind, _) in KINDS.items():
        assert re.search(rf"^{singular}(: .+)?$", said, re.MULTILINE)
        assert f"ganeti.{kind}" in said


def test_info_of_a_kind_shows_signatures_and_documentation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["info", "disk_template"]) == 0
    said = capsys.readouterr().out
    assert "grow(ctx: HookContext, disk: DiskSpec, size: int) -> None" in said
    assert "[optional; on a node, changes it, in a process that is killed at the deadline" in said
    assert "[with the capability snapshots;" in said


def test_info_explains_one_thing_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "hypervisor:fake", "hypervisor", "kvm", "os"]) == 0
    out = capsys.readouterr().out
    titles = [line.partition(": entry")[0] for line in out.splitlines()
              if line.startswith(("hypervisors:", "os:"))]
    assert titles == ["hypervisors:fake", "hypervisors:kvm", "os"]
    assert run(["info", "hypervisor:fake", "hypervisor:nosuch"]) == 1
    assert capsys.readouterr().out == ""


def test_info_of_a_plugin_shows_parameters_and_capabilities(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["info", "hypervisor:fake"]) == 0
    said = capsys.readouterr().out
    assert 'migration_mode (string, default "live")' in said
    assert "live_migration" in said.partition("capabilities  ")[2].partition("\n")[0]


def test_an_unknown_plugin_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "hypervisor:fakr"]) == 1
    assert "fake" in capsys.readouterr().err


def test_schema_is_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    def told(what: str) -> dict[str, Any]:
        assert run(["schema", what]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    assert told("hypervisor:fake")["properties"]["migration_mode"]["default"] == "live"
    assert told("os")["hooks"]["rename"]["optional"] is True


def test_switching_needs_a_master(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disable", "hypervisor:fake"]) == 1
    assert capsys.readouterr().err.strip()


@pytest.mark.parametrize(("distribution", "said"), [
    ("no-such-distribution", "no distribution no-such-distribution is installed"),
    ("pluggy", "pluggy has no plugins"),
])
def test_check_says_what_cannot_be_checked(
    distribution: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", distribution]) == 1
    assert said in capsys.readouterr().err
