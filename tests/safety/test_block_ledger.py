"""The judge of the rounds is judged: it notices what is lost, and two who write."""

from __future__ import annotations

from block_ledger import FIRST, RING, SECTOR, Ledger, block, missing, place

SIZE = (FIRST + RING) * SECTOR


def a_disk(*numbers: int) -> bytearray:
    disk = bytearray(SIZE)
    for number in numbers:
        disk[place(number):place(number) + SECTOR] = block(number)
    return disk


def test_a_block_that_is_lost_old_or_torn_is_missing() -> None:
    disk = a_disk(1, 2, 3, 4)
    assert missing(bytes(disk), [1, 2, 3, 4]) == []
    assert missing(bytes(disk), [4, 5]) == [5]
    assert missing(bytes(disk), [1 + RING]) == [1 + RING], "what lies there is an older block"
    disk[place(3) + SECTOR // 2] ^= 1
    assert missing(bytes(disk), [1, 2, 3, 4]) == [3]


def test_blocks_that_were_written_over_are_not_missing() -> None:
    assert missing(bytes(a_disk(1 + RING)), [1, 1 + RING]) == []


def test_two_who_write_are_noticed() -> None:
    ledger = Ledger()
    assert ledger.hear("node1", b"found 00000000\r\nack 00000001\r\nack 0000") == b"\nack 0000"
    ledger.hear("node1", b"ack 00000002\r\n")
    ledger.hear("node2", b"found 00000002\r\nack 00000003\r\n")
    assert ledger.wrong == []
    assert ledger.last == 3
    ledger.hear("node1", b"ack 00000003\r\n")
    assert ledger.wrong == ["3 was acknowledged on node1, after that on node2"]


def test_a_guest_that_finds_less_than_was_acknowledged_is_noticed() -> None:
    ledger = Ledger()
    ledger.hear("node1", b"ack 0000000A\r\n")
    ledger.hear("node2", b"found 00000009\r\n")
    assert ledger.wrong == [
        "a guest on node2 found 9 on its disk, and 10 was acknowledged on node1"]
