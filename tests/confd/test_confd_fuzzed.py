"""Datagrams that nobody should send: none ends confd, and none without the key gets an answer."""

from __future__ import annotations

import json
from typing import Any

from confd_cluster import KEY, NOW, ask, recorded, request, resigned, said, service
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.confd_client.messages import LARGEST_ANSWER, MAGIC, Ignored

SERVICE = service()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=4) | st.sampled_from(["0", "1", "2", "3"]), inner, max_size=4),
    max_leaves=8)


def reply(datagram: bytes) -> bytes | None:
    try:
        return SERVICE.reply(datagram, NOW)
    except Ignored:
        return None


@given(st.binary(max_size=300))
def test_bytes_get_no_answer(data: bytes) -> None:
    assert reply(data) is None
    assert reply(MAGIC + data) is None


@given(st.dictionaries(st.sampled_from(["msg", "salt", "hmac", "x"]), VALUES))
def test_objects_without_a_signature_get_no_answer(outer: dict[str, Any]) -> None:
    assert reply(MAGIC + json.dumps(outer).encode()) is None


@given(st.sampled_from([case["request"] for case in recorded()]), st.integers(0), st.binary(
    min_size=1, max_size=3))
def test_a_signed_datagram_that_was_changed_gets_no_other_answer(
    text: str, where: int, change: bytes
) -> None:
    good = resigned(text)
    at = where % len(good)
    changed = good[:at] + change + good[at + len(change):]
    found = reply(changed)
    # What stays valid is the same message: white space, a letter of the signature in capitals.
    assert found is None or found == reply(good)


@given(st.fixed_dictionaries({}, optional={
    "protocol": VALUES, "type": st.integers(-1, 12) | VALUES, "query": VALUES,
    "rsalt": st.text(max_size=20) | VALUES}))
def test_whatever_is_signed_gets_a_whole_answer_or_none(message: dict[str, Any]) -> None:
    found = reply(request(message))
    if found is not None:
        assert len(found) <= LARGEST_ANSWER
        assert set(said(found)) == {"protocol", "status", "answer", "serial"}


@given(st.integers(0, 11), st.none() | st.text(max_size=40) | st.dictionaries(
    st.sampled_from(["0", "1"]), st.text(max_size=20)))
def test_every_question_with_any_text_is_answered(kind: int, query: Any) -> None:
    assert ask(kind, query, SERVICE)["status"] in (0, 1)


@given(st.binary(min_size=1, max_size=40).filter(lambda key: key != KEY))
def test_another_key_gets_no_answer(key: bytes) -> None:
    assert reply(request({"protocol": 1, "type": 0, "query": None, "rsalt": "r"}, key=key)) is None


def test_deep_nesting_and_huge_numbers_get_no_answer() -> None:
    for inner in ("[" * 20_000, "9" * 50_000, '{"a":' * 9_000):
        assert reply(MAGIC + inner.encode()) is None
        assert reply(request_with(inner)) is None


def request_with(text: str) -> bytes:
    from ganeti_core.confd_client.messages import sign

    salt = str(int(NOW))
    return MAGIC + json.dumps({"msg": text, "salt": salt, "hmac": sign(KEY, salt, text)}).encode()
