"""Messages are cut, read and refused as Ganeti's clients and servers expect."""

from __future__ import annotations

import pytest

from ganeti_core import errors
from ganeti_core.luxi import protocol
from ganeti_core.luxi.protocol import MessageBuffer


def test_a_message_arrives_in_pieces() -> None:
    buffer = MessageBuffer()
    assert buffer.feed(b'{"a"') == []
    assert buffer.pending
    assert buffer.feed(b":1}\x03{") == [b'{"a":1}']
    assert buffer.feed(b"}\x03\x03") == [b"{}", b""]
    assert not buffer.pending


def test_several_messages_in_one_piece_keep_their_order() -> None:
    assert MessageBuffer().feed(b"1\x032\x033\x03") == [b"1", b"2", b"3"]


def test_an_endless_message_is_refused_before_it_fills_the_memory() -> None:
    buffer = MessageBuffer(limit=10)
    buffer.feed(b"12345")
    with pytest.raises(errors.RequestError, match="longer than 10 bytes"):
        buffer.feed(b"678901")


def test_a_text_may_hold_the_byte_that_ends_messages() -> None:
    (message,) = MessageBuffer().feed(protocol.encode_request("Query", ["a\x03b"]))
    assert protocol.parse_request(message).args == ["a\x03b"]


@pytest.mark.parametrize(("message", "text"), [
    (b'{"method": "QueryClusterInfo"}',
     "Failed to parse request: key 'args' not found, object contains only [\"method\"]"),
    (b'{"args": []}',
     "Failed to parse request: key 'method' not found, object contains only [\"args\"]"),
    (b"[1,2]",
     "Failed to parse request: parsing top-level JSON message: Unable to read JSObject"),
])
def test_requests_that_are_none_are_refused_in_the_peers_words(message: bytes, text: str) -> None:
    with pytest.raises(errors.RequestError) as caught:
        protocol.parse_request(message)
    assert str(caught.value) == text


@pytest.mark.parametrize("message", [b"{nonsense", b"", b"\xff", b"[" * 100_000,
                                     b'{"method": "SetWatcherPause", "args": [1e999]}',
                                     b'{"method": "SetWatcherPause", "args": [Infinity]}',
                                     b'{"method": "QueryTags", "args": ["node", "\\ud800"]}',
                                     b'{"method": "QueryTags", "args": ["node", "\xed\xa0\x80"]}'])
def test_what_is_no_json_is_refused(message: bytes) -> None:
    with pytest.raises(errors.RequestError, match="Failed to parse request"):
        protocol.parse_request(message)


def test_any_text_that_is_one_is_taken() -> None:
    for text in ("\U0001f600", "\\ud800", "\ud7ff"):
        (message,) = MessageBuffer().feed(protocol.encode_request("Query", [text]))
        assert protocol.parse_request(message).args == [text]


def test_arguments_that_are_no_list_count_as_none() -> None:
    request = protocol.parse_request(b'{"method": "QueryClusterInfo", "args": {"a": 1}}')
    assert request == protocol.Request("QueryClusterInfo", [])


def test_errors_keep_their_type_and_arguments_over_the_wire() -> None:
    error = errors.OpPrereqError("Instance 'x' not known", errors.ECODE_NOENT)
    with pytest.raises(errors.OpPrereqError) as caught:
        protocol.parse_answer(protocol.encode_error(error).rstrip(b"\x03"))
    assert caught.value.args == error.args


def test_an_error_that_is_only_a_text_means_the_request_was_not_understood() -> None:
    with pytest.raises(errors.RequestError, match="no such method"):
        protocol.parse_answer(b'{"success": false, "result": "no such method"}')


@pytest.mark.parametrize("message", [b"17", b"{}", b'{"success": true}', b"nonsense"])
def test_a_malformed_answer_is_an_error(message: bytes) -> None:
    with pytest.raises(errors.RequestError):
        protocol.parse_answer(message)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(word: bytes) -> None:
    with pytest.raises(errors.RequestError):
        protocol.parse_request(b'{"method": "SubmitJob", "args": [' + word + b"]}")
