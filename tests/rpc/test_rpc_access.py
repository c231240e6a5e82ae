"""Who may ask what, and that an older master is refused."""

from __future__ import annotations

import pytest
from member_lists import write_members

from ganeti_core.errors import AccessDenied, ConfigurationError, StaleEpoch
from ganeti_core.paths import Paths
from ganeti_core.rpc.access import Caller, Epochs, Role, check_access, role_of
from ganeti_core.rpc.calls import HOOK, SERVICES
from ganeti_core.rpc.members import Members, members_file


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path)
    made.make_directories()
    return made


def test_role_follows_the_list_of_members_at_once(paths):
    members = Members.of(paths)
    caller = Caller("abc", "192.0.2.1")
    write_members(paths, ["abc"])
    assert role_of(caller, members) is Role.CANDIDATE

    write_members(paths, ["def"], ["abc"])
    assert role_of(caller, members) is Role.NODE

    write_members(paths, ["def"])
    assert role_of(caller, members) is Role.UNLISTED


@pytest.mark.parametrize("content", [None, "", "{", "7", '{"list": "{}", "signature": ""}'])
def test_without_a_readable_list_nobody_is_a_member(paths, content):
    members = Members.of(paths)
    write_members(paths, ["abc"])
    assert "abc" in members.known().candidates
    file = members_file(paths)
    file.unlink()
    if content is not None:
        file.write_text(content)

    assert role_of(Caller("abc", "192.0.2.1"), members) is Role.UNLISTED


def test_caller_without_certificate_is_anonymous(paths):
    assert role_of(Caller("", "192.0.2.1"), Members.of(paths)) is Role.ANONYMOUS


@pytest.mark.parametrize("service", [HOOK, *SERVICES, "unheard.of"])
def test_plain_node_may_only_ask_what_is_harmless(service):
    if service in {"node.ping", "node.facts", "node.epoch", "node.members", "disk.left_behind"}:
        check_access(Role.NODE, service)
        return
    with pytest.raises(AccessDenied, match="master candidate"):
        check_access(Role.NODE, service)


@pytest.mark.parametrize("role", [Role.ANONYMOUS, Role.UNLISTED])
@pytest.mark.parametrize("service", [HOOK, *SERVICES])
def test_who_is_no_member_may_ask_nothing(role, service):
    with pytest.raises(AccessDenied):
        check_access(role, service)


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
