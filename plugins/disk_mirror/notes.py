"""What a node knows durably of its copy: which history of writes it holds, and whether all of it.

A generation names a history. A new one begins, before anything is written, whenever this copy may
come to hold what the other one does not: when it is written alone, and after a process that had it
open was killed, for what was on its way then may be on one side only.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

REMEMBERED = 200
"""Earlier generations by which an old copy is known as one of this disk."""


@dataclass(frozen=True)
class Note:
    """What is known of the copy on one node.

    :param generation: of the data; empty: nothing was ever copied to it
    :param whole: it holds all of that generation; False while it is being filled
    :param closed: nobody has it open for writing; False when who had it open was killed
    :param earlier: the generations before, newest first
    :param peer: uuid of the node that has the other copy
    :param owed: the cluster has still to be told that the other copy is left behind
    :param size: to which the disk has grown here, MiB; 0 where it has not
    """

    generation: str = ""
    whole: bool = False
    closed: bool = True
    earlier: tuple[str, ...] = ()
    peer: str = ""
    size: int = 0
    owed: bool = False

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """Read a note; None where there is none, or none that can be read."""
        try:
            found = json.loads(file.read_text())
            return cls(str(found["generation"]), bool(found["whole"]), bool(found["closed"]),
                       tuple(map(str, found["earlier"])), str(found["peer"]),
                       int(found.get("size", 0)), bool(found.get("owed")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, file: Path) -> None:
        """Write it, durably: it is there after a loss of power."""
        draft = file.with_suffix(".draft")
        with open(draft, "w") as opened:
            json.dump(asdict(self), opened)
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def renewed(self) -> Self:
        """Begin a new generation: from now on this copy may hold what no other one does."""
        earlier = (self.generation, *self.earlier) if self.generation else self.earlier
        return replace(self, generation=secrets.token_hex(16), whole=True,
                       earlier=earlier[:REMEMBERED])

    def shared_with(self, peer: str) -> Self:
        """Begin a new generation where another node than before has the other copy.

        The one that had it, should it come back, misses what was written meanwhile.
        """
        if self.peer in ("", peer):
            return replace(self, peer=peer)
        return replace(self.renewed(), peer=peer, owed=False)

    def told(self) -> dict[str, Any]:
        """As the node that writes gets to know it.

        Where who had it open for writing was killed, this copy may hold what was never
        acknowledged, and is on no other one: it is filled anew.
        """
        return {"generation": self.generation, "whole": self.whole and self.closed,
                "earlier": list(self.earlier)}


def filled_how(mine: Note, other: Note, *, other_is_old: bool) -> str:
    """Say how the other copy gets what is here: ``nothing`` has to be copied, ``changes``, ``all``.

    Empty where it must not be written over: it holds something that is not here.

    :param other_is_old: the cluster has in writing that the other copy misses something
    """
    if not other.generation:
        return "all"
    if other.generation == mine.generation:
        return "nothing" if other.whole else "all"
    if other.generation in mine.earlier:
        return "changes" if other.whole else "all"
    return "all" if other_is_old else ""
