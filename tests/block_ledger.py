"""The blocks of the guest in ``ledger.S``: what it acknowledged, and what of that a disk has.

A number is acknowledged once: whoever begins to write goes on from the last one that his disk has.
So a number that comes twice means that a write was lost, or that two wrote at once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

SECTOR = 512
FIRST, RING = 64, 4096
"""Block N is the sector `FIRST` + N modulo `RING`."""
LINE = re.compile(rb"(ack|found) ([0-9A-F]{8})\r")
_WORD = 1 << 32


def block(number: int) -> bytes:
    """Return what a block holds: a sequence that begins with its number, and the sum of it."""
    words, word = [], number
    for _ in range(SECTOR // 4 - 1):
        words.append(word)
        word = (word * 1664525 + 1013904223) % _WORD
    return struct.pack(f"<{SECTOR // 4}I", *words, sum(words) % _WORD)


def place(number: int) -> int:
    """Return where a block lies on the disk, in bytes."""
    return (FIRST + number % RING) * SECTOR


def missing(disk: bytes, numbers: Iterable[int]) -> list[int]:
    """Return which of some blocks a disk does not have as they were written."""
    last = max(numbers, default=0)
    return sorted(number for number in numbers if number > last - RING // 2
                  and disk[place(number):place(number) + SECTOR] != block(number))


@dataclass
class Ledger:
    """What guests said, on whichever node; may be used from several threads."""

    acknowledged: dict[int, str] = field(default_factory=dict)
    """By number, the node where that was said."""
    wrong: list[str] = field(default_factory=list)
    """What must never be."""
    _lock: Lock = field(default_factory=Lock)

    @property
    def last(self) -> int:
        with self._lock:
            return max(self.acknowledged, default=0)

    def numbers(self) -> list[int]:
        with self._lock:
            return list(self.acknowledged)

    def hear(self, node: str, said: bytes) -> bytes:
        """Take what a guest said on its console; return the part of a line that has not ended."""
        end = 0
        for line in LINE.finditer(said):
            end = line.end()
            self._take(node, line[1].decode(), int(line[2], 16))
        return said[end:][-64:]

    def _take(self, node: str, what: str, number: int) -> None:
        with self._lock:
            last = max(self.acknowledged, default=0)
            if what == "found":
                if number < last:
                    self.wrong.append(f"a guest on {node} found {number} on its disk, and {last} "
                                      f"was acknowledged on {self.acknowledged[last]}")
            elif number in self.acknowledged:
                self.wrong.append(f"{number} was acknowledged on {node}, after that on "
                                  f"{self.acknowledged[number]}")
            else:
                self.acknowledged[number] = node
