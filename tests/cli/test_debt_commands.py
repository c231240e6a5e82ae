"""Commands about what earlier jobs left to do on nodes."""

from __future__ import annotations

import pytest

REFUSED = {
    "id": "12-0-3", "job": 12, "node": "uuid2", "node_name": "node2.example.com",
    "note": "remove disk 0 of web1", "call": "disk_templates file: remove", "subject": "uuid-web1",
    "object": "web1.example.com", "kind": "refused", "reason": "not\nallowed", "attempts": 4,
    "next_try": 1700000000.5}
SILENT = REFUSED | {
    "id": "13-0-0", "node_name": "node3.example.com", "kind": "silent", "reason": "no route",
    "note": "stop web2", "object": "web2.example.com", "attempts": 0, "next_try": 0.0}


def test_they_are_listed_with_what_is_known_of_each(run) -> None:
    ran = run(["gnt-node", "list-debts", "--separator=|"], ["Debts", [], [REFUSED, SILENT]])
    assert ran.out.splitlines() == [
        "ID|Node|State|Tries|NextTry|Object|Owed|Reason",
        "12-0-3|node2.example.com|refused|4|2023-11-14 22:13:20|web1.example.com"
        "|remove disk 0 of web1|not\\nallowed",
        "13-0-0|node3.example.com|silent|0|when the node answers|web2.example.com|stop web2"
        "|no route"]


def test_those_of_one_node_are_listed(run) -> None:
    ran = run(["gnt-node", "list-debts", "--no-headers", "node3"],
              ["Debts", [], [REFUSED, SILENT]],
              ["Query", ["node", ["name"], ["|", ["=", "name", "node3"]]],
               {"fields": [], "data": [[[0, "node3.example.com"]]]}])
    assert [line.split()[0] for line in ran.out.splitlines()] == ["13-0-0"]


def test_info_of_a_node_names_them_and_what_is_bad_there(run) -> None:
    node = [True, False, False, True, True, [], [], {}, {}, None]
    row = [[0, value] for value in ("node2.example.com", "192.0.2.2", "192.0.2.2", *node)]
    ran = run(["gnt-node", "info", "node2"], ["Query", "*", {"fields": [], "data": [row]}],
              ["Debts", [], [REFUSED, SILENT]], ["CollectorAlarms", [["node2.example.com"]], {
                  "node2.example.com": {"lv": "too\nfull\x1b[2J"}}])
    assert ("  owed by earlier jobs: \n    - 12-0-3: remove disk 0 of web1 (not\\nallowed)\n"
            in ran.out)
    assert "web2" not in ran.out
    assert "  reported by data collectors: \n    - lv: too; full\\x1b[2J\n" in ran.out


@pytest.mark.parametrize(("left", "status"), [([], 0), ([REFUSED], 1)])
def test_trying_again_says_what_is_left(run, left, status) -> None:
    ran = run(["gnt-node", "retry-debts", "12-0-3"], ["RetryDebts", [["12-0-3"]], left])
    assert ran.status == status
    assert ran.out.startswith(f"{1 - len(left)} done, {len(left)} still owed\n")
    assert ("not\\nallowed" in ran.out) == bool(left)


def test_all_are_tried(run) -> None:
    ran = run(["gnt-node", "retry-debts", "--all"], ["Debts", [], [REFUSED, SILENT]],
              ["RetryDebts", [["12-0-3", "13-0-0"]], [SILENT]])
    assert ran.out.splitlines()[0] == "1 done, 1 still owed"


@pytest.mark.parametrize("command", ["retry-debts", "forget-debts"])
@pytest.mark.parametrize("argv", [[], ["--all", "12-0-3"]])
def test_which_ones_must_be_said(run, command, argv) -> None:
    ran = run(["gnt-node", command, *argv], ["Debts", [], [REFUSED]])
    assert ran.status == 1
    assert "--all" in ran.err


def test_nothing_is_given_up_unasked(run) -> None:
    ran = run(["gnt-node", "forget-debts", "12-0-3"], ["Debts", [], [REFUSED]])
    assert ran.status == 13
    assert "remove disk 0 of web1" in ran.out
    assert "--yes-do-it" in ran.err
    assert [method for method, _ in ran.requests] == ["Debts"]


def test_giving_up_says_what_may_remain(run) -> None:
    ran = run(["gnt-node", "forget-debts", "--yes-do-it", "12-0-3"], ["Debts", [], [REFUSED]],
              ["ForgetDebts", [["12-0-3"]], [REFUSED]])
    assert ran.status == 0
    assert "Given up: 12-0-3. On node2.example.com" in ran.out
    assert "disk_templates file: remove" in ran.out
