"""The persistent mapping against a dict, and every old version stays as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.config.table import Table

keys = st.integers(0, 120)
steps = st.lists(st.tuples(
    st.dictionaries(keys, st.integers(), max_size=40), st.lists(keys, max_size=20)), max_size=12)


@given(st.dictionaries(keys, st.integers(), max_size=120), steps)
def test_it_is_a_dict_that_never_changes(start, changes):
    table, plain = Table(start), dict(start)
    versions = [(table, dict(plain))]
    for puts, deletes in changes:
        table = table.changed(puts, deletes)
        for key in deletes:
            plain.pop(key, None)
        plain |= puts
        versions.append((table, dict(plain)))
    for version, expected in versions:
        assert dict(version) == expected
        assert len(version) == len(expected)
        assert all((key in version) == (key in expected) for key in range(121))
        assert [version.get(key) for key in range(121)] == [
            expected.get(key) for key in range(121)]


def test_a_change_of_a_large_table_copies_little():
    large = Table({number: number for number in range(10_000)})
    copied = 0
    for number in range(200):
        large = large.changed({number: -number})
        copied += len(large._overlay)
    assert copied < 200 * 150
