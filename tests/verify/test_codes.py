"""Every code of Ganeti's verification is provoked by a test, or the manual says why it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_findings import FOUND

from ganeti_core.errors import OpPrereqError
from ganeti_core.opcodes.verification import CODES, check_names

ROOT = Path(__file__).parent.parent.parent
RECORDED: dict[str, str] = json.loads((ROOT / "tests/data/cli/verify_codes.json").read_text())
WITHOUT_SUBJECT = dict(re.findall(
    r"^\| `(E[A-Z0-9]+)` \| (.+) \|$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
ELSEWHERE = {
    "ECLUSTERDEBT": "tests/faults/test_refusals.py",
    "ECLUSTERCLIENTCERT": "tests/failover/test_membership.py",
    "ENODECOLLECTOR": "tests/mond/test_mond_daemon.py",
    "EGROUPDIFFERENTPVSIZE": "tests/verify/test_agreements.py",
    "ENODEDRBD": "tests/plugins/disk_drbd/test_drbd_cluster.py",
    "ENODEDRBDHELPER": "tests/plugins/disk_drbd/test_drbd_cluster.py",
    "ENODEDRBDVERSION": "tests/plugins/disk_drbd/test_drbd_cluster.py",
    "ENODEGLUSTERSTORAGEPATHUNUSABLE": "tests/plugins/disk_shared/test_shared_disks_cluster.py",
    "ENODELVM": "tests/operations_breadth/test_driver_settings.py",
    "ENODERPC": "tests/verify/test_findings.py",
}
"""What other tests than those of `FOUND` provoke."""


def test_codes_and_their_objects_are_those_of_ganeti() -> None:
    assert {code: kind for code, kind in CODES.items() if code in RECORDED} == RECORDED
    assert CODES.keys() - RECORDED.keys() == {"ECLUSTERDEBT", "ENODECOLLECTOR"}


def test_each_is_provoked_or_has_no_subject() -> None:
    provoked = {row[1] for row in FOUND} | ELSEWHERE.keys()
    assert not provoked & WITHOUT_SUBJECT.keys()
    assert provoked | WITHOUT_SUBJECT.keys() == CODES.keys()


@pytest.mark.parametrize(("code", "file"), ELSEWHERE.items())
def test_the_other_tests_still_look_for_it(code: str, file: str) -> None:
    assert code in (ROOT / file).read_text()


def test_names_of_codes_and_checks_are_checked() -> None:
    check_names(["ENODESSH"], ["nplusone_mem"])
    with pytest.raises(OpPrereqError, match=r"Unknown error code\(s\) ENOSUCH: expected some of "):
        check_names(["ENOSUCH"])
    with pytest.raises(OpPrereqError, match=r"Unknown check\(s\) nplus: expected some of nplus"):
        check_names([], ["nplus"])
