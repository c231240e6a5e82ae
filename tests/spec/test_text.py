"""Files are read strictly, and what is written is read as it was."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.errors import OpPrereqError
from ganeti_core.spec.text import DEEPEST, LARGEST, read, write

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip("abcdef", "bcdefg",
                                                                       strict=True))


@pytest.mark.parametrize(("text", "problem"), [
    (BOMB, "line 1, column 4: anchors and aliases"),
    ("a: &x 1\nb: *x\n", "anchors and aliases"),
    ("a: *x\n", "anchors and aliases"),
    ("a: !!python/object/apply:os.system [id]\n", "line 1, column 4: the tag "),
    ("!!python/name:os.system\n", "the tag "),
    ("a: !!binary aGk=\n", "the tag "),
    ("a: !own 1\n", "the tag !own"),
    ("a: 1\na: 2\n", "line 2, column 1: the name 'a' stands twice"),
    ("x: {a: 1, a: 2}\n", "the name 'a' stands twice"),
    ("1: x\n", "a name must be text, quote it: '1'"),
    ("true: x\n", "a name must be text"),
    ("[a]: x\n", "a name must be text"),
    ("a: [1\n", "line 2"),
    ("a: 1\n--- \nb: 2\n", "another document"),
    ("[" * 10_000, "nested deeper"),
    ("{a: " * (DEEPEST + 1), "nested deeper"),
    ("a: \x01", "it is not YAML"),
])
def test_what_is_not_plain_is_refused(text: str, problem: str) -> None:
    with pytest.raises(OpPrereqError, match=r"^f\.yaml:") as caught:
        read(text.encode(), "f.yaml")
    assert problem in caught.value.message


def test_a_file_of_another_encoding_or_of_any_size_is_refused() -> None:
    with pytest.raises(OpPrereqError, match="byte 3 is not UTF-8"):
        read(b"a: \xff", "f")
    with pytest.raises(OpPrereqError, match="more than the"):
        read(b" " * (LARGEST + 1), "f")


@pytest.mark.parametrize("text", [
    "yes", "no", "on", "Off", "12:30:45", "11:22:33:44:55:16", "2026-01-01", "010", "0x10", "1e3",
    ".inf", "1_000", "<<", "=", "1.5e3", "9" * 5000])
def test_a_word_stays_text(text: str) -> None:
    assert read(f"a: {text}\n".encode(), "f") == {"a": text}
    assert read(write({"a": text}).encode(), "f") == {"a": text}


def test_a_merge_key_merges_nothing() -> None:
    assert read(b"a:\n  <<: {b: 1}\n", "f") == {"a": {"<<": {"b": 1}}}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10**30, 10**30) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_written_is_read_again(document: dict[str, object]) -> None:
    assert read(write(document).encode(), "f") == document


def test_a_long_file_takes_no_more_than_its_length() -> None:
    one = {"disks": [{"size": 1024, "name": "system"}], "nics": [{"mac": "aa:00:00:12:34:56"}]}
    text = write({"instances": {f"web{n}.example.com": one for n in range(500)}}).encode()
    began = time.process_time()
    read(text, "f")
    assert time.process_time() - began < 20
