"""The screen of ``gnt-cluster top``, from a state that the test makes up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ganeti_core.cli.cluster.top import State, problem_of, screen


def a_node(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "offline": False, "drained": False, "ctotal": 4, "mtotal": 4096,
            "mfree": 1024, "dtotal": 10240, "dfree": 5120, "pinst_cnt": 2, **values}


def a_guest(name: str, status: str = "running", ram: int | None = 128) -> dict[str, Any]:
    return {"name": name, "pnode": "node1", "status": status, "oper_vcpus": 1, "oper_ram": ram}


def a_row(name: str, data: Any = None, error: str = "") -> dict[str, Any]:
    return {"name": name, "error": error, "report": None if data is None else {"data": data}}


STATE = State(
    "c.example.com",
    [a_node("node1"), a_node("node2", mtotal=None, mfree=None), a_node("node3", offline=True)],
    [a_guest("web1", ram=512), a_guest("db1"), a_guest("lost", "ERROR_down", None)],
    [{"id": 7, "status": "running", "summary": ["INSTANCE_CREATE(web2)"]},
     {"id": 8, "status": "queued", "summary": ["TEST_DELAY"]}],
    {"node1": [a_row("cpu-avg-load", {"cpu_total": 1.5}), a_row("lv", error="it hung"),
               a_row("drbd", {"status": {"code": 4, "message": "0: bad\n1: bad"}}),
               a_row("node-pressure", {"status": {"code": 0, "message": ""}})],
     "node4": "it does not answer"})


def test_all_is_on_the_screen() -> None:
    lines = screen(STATE, "12:00:00", 200, 100)
    assert lines[0] == ("c.example.com  12:00:00  3 nodes (1 offline, 1 silent)  3 instances "
                        "(2 running)  jobs: 1 running, 1 waiting")
    table = [line.split() for line in lines[3:6]]
    assert table[0] == ["node1", "ok", "4", "1.50", "75%", "of", "4.0G", "50%", "of", "10.0G", "2"]
    assert table[1][:5] == ["node2", "SILENT", "4", "-", "-"]
    assert table[2][1] == "offline"
    head = next(at for at, line in enumerate(lines) if line.startswith("INSTANCE"))
    assert [line.split()[0] for line in lines[head + 1:head + 4]] == ["lost", "web1", "db1"]
    assert "7    running  INSTANCE_CREATE(web2)" in lines
    assert lines[-4:] == ["ALARMS", "node1: lv: it hung", "node1: drbd: 0: bad; 1: bad",
                          "node4: its collectors cannot be asked: it does not answer"]


@pytest.mark.parametrize(("width", "height"), [
    (200, 100), (80, 24), (60, 19), (40, 12), (30, 8), (20, 3)])
def test_nothing_is_larger_than_the_screen(width: int, height: int) -> None:
    lines = screen(STATE, "12:00:00", width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_guests_give_way_where_there_is_little_room() -> None:
    lines = screen(STATE, "12:00:00", 60, 19)
    assert lines[1] == "3 instances (2 running)  jobs: 1 running, 1 waiting"
    assert "... 3 instances in all" in lines
    assert "8    queued   TEST_DELAY" in lines
    assert "ALARMS" in lines


def test_of_many_nodes_those_are_shown_with_which_something_is_wrong() -> None:
    nodes = [*(a_node(f"well{number}") for number in range(50)), *STATE.nodes]
    jobs = [{"id": number, "status": "queued", "summary": ["TEST_DELAY"]} for number in range(40)]
    lines = screen(replace(STATE, nodes=nodes, jobs=jobs), "12:00:00", 100, 24)
    assert len(lines) == 24
    table = lines.index(next(line for line in lines if line.startswith("NODE")))
    assert [line.split()[0] for line in lines[table + 1:table + 3]] == ["node2", "node3"]
    assert {"... 53 nodes in all", "... 40 jobs in all", "ALARMS"} <= set(lines)
    piped = screen(replace(STATE, nodes=nodes, jobs=jobs), "12:00:00", 200, 10_000)
    assert [line.split()[0] for line in piped[3:5]] == ["well0", "well1"]
    assert {"... 40 jobs in all", "9    queued  TEST_DELAY"} <= set(piped)


def test_what_is_no_alarm() -> None:
    assert problem_of(a_row("new")) == ""
    assert problem_of(a_row("lv", [1, 2])) == ""
    assert problem_of(a_row("x", {"status": {"code": 2, "message": ""}})) == "status 2"
