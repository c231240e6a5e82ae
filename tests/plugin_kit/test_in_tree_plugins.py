"""Every plugin of this project passes the kit that it offers to others."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.testing.contracts import IallocatorContract
from ganeti_plugins.iallocator_hail.plugin import HailAllocator

TOP = Path(__file__).resolve().parents[2]
CONTRACTS = {
    "hypervisors": "HypervisorContract", "disk_templates": "(?:DiskTemplate|Mirror)Contract",
    "extstorage": "ExtStorageContract", "os": "OsContract", "collectors": "CollectorContract",
    "iallocators": "IallocatorContract", "network_backends": "NetworkBackendContract",
    "network_services": "NetworkServiceContract", "authenticators": "AuthenticatorContract"}


class TestHail(IallocatorContract):
    @pytest.fixture
    def driver(self) -> HailAllocator:
        return HailAllocator()


def plugins() -> list[tuple[str, str]]:
    """Kind and class of every plugin; of a source, whose drivers are others, its package."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    entries = config["options.entry_points"]

    def found(group: str, pattern: str) -> list[str]:
        return re.findall(pattern, entries.get(group, ""), re.MULTILINE)

    return [(kind, plugin) for kind in KINDS
            for plugin in (*found(f"ganeti.{kind}", r":(\w+)$"),
                           *found(f"ganeti.{kind}.sources", r"= (.+):\w+$"))]


def test_there_is_a_contract_for_each_kind() -> None:
    assert CONTRACTS.keys() == KINDS.keys()


@pytest.mark.parametrize(("kind", "plugin"), plugins())
def test_every_plugin_runs_the_kit(kind: str, plugin: str) -> None:
    found = [path for path in (TOP / "tests").rglob("test_*.py")
             if re.search(rf"\(.*{CONTRACTS[kind]}\):", text := path.read_text())
             and re.search(rf"\b{plugin}\b", text)]
    assert found, f"no test module runs {CONTRACTS[kind]} on {plugin}"
