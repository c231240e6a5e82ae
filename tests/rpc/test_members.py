"""The signed list of members: only the authority's counts, and never an older one."""

from __future__ import annotations

import json

import pytest
from member_lists import a_list

from ganeti_core.errors import AccessDenied
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.certs import Authority, new_authority
from ganeti_core.rpc.member_signatures import checked, signed
from ganeti_core.rpc.members import Member, MemberList, Members


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path)
    made.make_directories()
    certs.create_authority(made, "cluster.example.com")
    return made


def take(members, found, authority):
    text = signed(found, authority)
    fresh = members.newer(text)
    return fresh is not None and members.keep(fresh, text)


def test_a_newer_list_replaces_an_older_one_and_never_the_other_way(paths):
    authority, members = Authority.load(paths), Members.of(paths)

    assert take(members, a_list(["a"], epoch=1, serial=7), authority)
    assert not take(members, a_list(["b"], epoch=1, serial=6), authority)
    assert members.known().candidates == {"a"}
    assert take(members, a_list(["c"], epoch=1, serial=8), authority)
    # A newer epoch counts more than any serial of an older one.
    assert take(members, a_list(["d"], epoch=2, serial=1), authority)
    assert not take(members, a_list(["c"], epoch=1, serial=99), authority)
    assert Members.of(paths).known().candidates == {"d"}


def test_a_list_reads_back_as_it_was_signed(paths):
    found = MemberList(3, 4, (
        Member("u1", "node1", "192.0.2.1", 1811, ("old", "new"), True),
        Member("u2", "node2", "2001:db8::2", 1812, ("plain",)), Member("u3", "node3", "a", 1, ())))

    text = signed(found, Authority.load(paths))

    assert checked(text, paths.ca_certificate.read_bytes()) == found
    assert (found.candidates, found.certificates) == ({"old", "new"}, {"old", "new", "plain"})


def _other_text(text):
    data = json.loads(text)
    return json.dumps(data | {"list": data["list"].replace("abc", "evil")})


@pytest.mark.parametrize("spoil", [
    _other_text, lambda _: "", lambda _: "{", lambda _: "[]", lambda _: '{"list": "{}"}',
    lambda text: text.replace('"signature": "', '"signature": "A'), lambda _: "[" * 100_000,
    lambda text: " " * (4 << 20) + text,
    lambda text: json.dumps(json.loads(text) | {"signature": ""}),
])
def test_what_the_authority_has_not_signed_is_refused(paths, spoil):
    members = Members.of(paths)
    good = signed(a_list(["abc"]), Authority.load(paths))

    with pytest.raises(AccessDenied):
        members.newer(spoil(good))

    assert members.newer(good)


def test_the_list_of_another_authority_is_refused(paths):
    with pytest.raises(AccessDenied, match="not signed by the cluster's authority"):
        Members.of(paths).newer(signed(a_list(["abc"]), new_authority("cluster.example.com")))


def test_while_the_authority_is_renewed_both_may_sign(paths):
    old, new = Authority.load(paths), new_authority("cluster.example.com")
    members = Members.of(paths)
    paths.ca_certificate.write_bytes(old.certificate + new.certificate)
    assert take(members, a_list(["a"], serial=1), old)
    assert take(members, a_list(["b"], serial=2), new)

    paths.ca_certificate.write_bytes(new.certificate)

    assert members.known().candidates == {"b"}
    with pytest.raises(AccessDenied):
        take(members, a_list(["a"], serial=3), old)


def test_the_same_list_signed_by_a_new_authority_replaces_the_old_text(paths):
    members = Members.of(paths)
    found = a_list(["a"])
    assert take(members, found, Authority.load(paths))
    certs.create_authority(paths, "cluster.example.com")

    assert take(members, found, Authority.load(paths))

    assert checked(members.text(), paths.ca_certificate.read_bytes()) == found


def test_a_list_without_candidates_is_refused(paths):
    with pytest.raises(AccessDenied, match="without master candidates"):
        Members.of(paths).newer(signed(a_list([], ["a"]), Authority.load(paths)))
