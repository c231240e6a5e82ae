"""Lists of members as tests need them: written as if a master had sent them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from ganeti_core.paths import Paths
from ganeti_core.rpc.certs import Authority, new_authority
from ganeti_core.rpc.member_signatures import signed
from ganeti_core.rpc.members import Member, MemberList, members_file

_SERIALS = itertools.count(1)


def a_list(candidates: Iterable[str], nodes: Iterable[str] = (), *, epoch: int = 1,
           serial: int = 0) -> MemberList:
    """Members that nobody can reach, by their fingerprints; each list is newer than the last."""
    shown = [(name, True) for name in candidates] + [(name, False) for name in nodes]
    return MemberList(epoch, serial or next(_SERIALS), tuple(
        Member(f"uuid-{number}", f"member{number}.example.com", "127.0.0.1", 1, (name,), candidate)
        for number, (name, candidate) in enumerate(shown)))


def write_members(paths: Paths, candidates: Iterable[str], nodes: Iterable[str] = ()) -> None:
    """Give a node its list, whatever it had."""
    authority = Authority.load(paths) if paths.ca_key.exists() else new_authority("of tests")
    members_file(paths).write_text(signed(a_list(candidates, nodes), authority))
