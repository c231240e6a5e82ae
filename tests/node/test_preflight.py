"""What is looked at on a host before it becomes a node, and what is said of it."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from moody import Moody

from ganeti_core.bootstrap.preflight import ask_host
from ganeti_core.clocks import skew
from ganeti_core.node.preflight import Question, preflight
from ganeti_core.node.services.facts import own_version
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugins import PluginHost

NAME = "new.example.com"
ADDRESS = "127.0.0.1"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    paths = Paths(tmp_path)
    paths.make_directories()
    paths.hosts.write_text(f"{ADDRESS} {NAME} new\n127.0.0.2 old.example.com old\n")
    monkeypatch.setenv("GANETI_HOSTNAME", NAME)
    return paths


@pytest.fixture
def question(free_port: int) -> Question:
    return Question(
        NAME, ADDRESS, version=own_version(), port=free_port,
        master=(NAME, ADDRESS, free_port), nodes={"old.example.com": "127.0.0.2"})


def said(paths: Paths, question: Question) -> list[str]:
    host = PluginHost()
    host.add(HYPERVISORS, "moody", Moody())
    return [f"{one.severity}: {one.what}" for one in preflight(paths, host, question)]


def test_nothing_is_said_of_a_host_that_has_all(paths, question):
    assert said(paths, question) == []


@pytest.mark.parametrize(("change", "words"), [
    ({"address": "198.51.100.1"}, "error: no network interface of this host has the address "
                                  "198.51.100.1"),
    ({"secondary_address": "198.51.100.2"}, "has the address 198.51.100.2"),
    ({"secondary_address": "backup"}, "has the address backup"),
    ({"nodes": {"old.example.com": "127.0.0.9"}},
     "error: the name old.example.com resolves to 127.0.0.2 here, and to 127.0.0.9 on the master"),
    ({"nodes": {"other.invalid": "127.0.0.9"}}, "error: the name other.invalid does not resolve"),
    ({"version": "0.0.1"}, "warning: the version here is"),
    ({"master": ("old.example.com", "127.0.0.2", 9)},
     "error: the master old.example.com cannot be reached at 127.0.0.2 port 9"),
    ({"hypervisors": ["moody"]}, "error: hypervisor moody: it is moody"),
    ({"hypervisors": ["nosuch"]}, "error: hypervisor nosuch is not installed here"),
])
def test_what_is_wrong_is_named(paths, question, change, words):
    assert any(words in line for line in said(paths, replace(question, **change)))


def test_names_that_the_cluster_writes_itself_need_not_resolve(paths, question):
    asked = replace(question, nodes={"other.invalid": "127.0.0.9"}, writes_hosts=True)
    assert said(paths, asked) == []


def test_a_port_that_somebody_has_is_named(paths, question):
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        assert any(line.startswith(f"error: TCP port {port} cannot be used")
                   for line in said(paths, replace(question, port=port)))


def test_a_host_that_is_a_node_is_one_only_if_that_is_known(paths, question):
    (paths.data / "node.json").write_text("{}")
    assert any("error: this host is a node already" in line for line in said(paths, question))
    assert said(paths, replace(question, is_known=True)) == []


def test_each_error_comes_with_what_puts_it_right(paths, question):
    host = PluginHost()
    wrong = replace(question, address="198.51.100.1", version="0.0.1",
                    nodes={"old.example.com": "127.0.0.9"}, hypervisors=["nosuch"],
                    master=("old.example.com", "127.0.0.2", 9))
    found = preflight(paths, host, wrong)
    assert len(found) >= 6
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(("told", "ahead"), [
    (100.0, 0.0), (130.0, 0.0), (160.0, 0.0), (161.5, 1.5), (98.0, -2.0)])
def test_a_host_that_takes_long_to_answer_has_no_wrong_clock(told: float, ahead: float) -> None:
    assert skew(told, asked=100.0, answered=160.0) == ahead


@pytest.mark.parametrize(("off", "severity", "words"), [
    (0.0, None, ""), (-10**6, "error", "differs from the master's by -"),
    (10**6, "error", "differs from the master's by +")])
def test_the_clock_of_a_host_that_answers_is_compared(
    question: Question, tmp_path: Path, off: float, severity: str | None, words: str
) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        f"#!/bin/sh\nread question\nnow=$(($(date +%s) + 1 + {off:.0f}))\n"
        """echo '{"findings": [], "time": '$now'}'\n""")
    program.chmod(0o755)
    found = ask_host(question, [str(program)])
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all(words in one.what and "chrony" in one.remedy for one in found)
