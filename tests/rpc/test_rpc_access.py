"""Who may ask what, and that an older master is refused."""

from __future__ import annotations

import pytest

from ganeti_core.errors import AccessDenied, ConfigurationError, StaleEpoch
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.access import Caller, Candidates, Epochs, Role, check_access, role_of
from ganeti_core.rpc.calls import HOOK, SERVICES


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path)
    made.make_directories()
    return made


def test_role_follows_the_list_of_candidates_at_once(paths):
    candidates = Candidates.of(paths)
    caller = Caller("abc", "192.0.2.1")
    certs.write_candidates(paths, ["abc"])
    assert role_of(caller, candidates) is Role.CANDIDATE

    certs.write_candidates(paths, ["def"])

    assert role_of(caller, candidates) is Role.NODE


@pytest.mark.parametrize("content", [None, "", "{", "7"])
def test_without_a_readable_list_nobody_is_a_candidate(paths, content):
    candidates = Candidates.of(paths)
    certs.write_candidates(paths, ["abc"])
    assert "abc" in candidates
    file = certs.candidates_file(paths)
    file.unlink()
    if content is not None:
        file.write_text(content)

    assert "abc" not in candidates


def test_caller_without_certificate_is_anonymous(paths):
    assert role_of(Caller("", "192.0.2.1"), Candidates.of(paths)) is Role.ANONYMOUS


@pytest.mark.parametrize("service", [HOOK, *SERVICES, "unheard.of"])
def test_plain_node_may_only_ask_what_is_harmless(service):
    if service in {"node.ping", "node.facts", "node.epoch"}:
        check_access(Role.NODE, service)
        return
    with pytest.raises(AccessDenied, match="master candidate"):
        check_access(Role.NODE, service)


@pytest.mark.parametrize("service", [HOOK, *SERVICES])
def test_anonymous_may_ask_nothing(service):
    with pytest.raises(AccessDenied):
        check_access(Role.ANONYMOUS, service)


def test_older_master_is_refused_even_after_a_restart(paths):
    Epochs(paths.epoch).admit(7)

    restarted = Epochs(paths.epoch)

    assert restarted.highest() == 7
    with pytest.raises(StaleEpoch, match="epoch 7"):
        restarted.admit(6)
    restarted.admit(7)
    restarted.admit(8)
    assert Epochs(paths.epoch).highest() == 8


def test_damaged_epoch_admits_nobody(paths):
    paths.epoch.write_text("seven")

    with pytest.raises(ConfigurationError, match="seven"):
        Epochs(paths.epoch).admit(8)
