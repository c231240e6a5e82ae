"""Choose again while jobs compete for the same memory and disk space.

What a job needs is set aside before it is used, so that the others see what it has chosen: whoever
set it aside first has it. Only when choosing again does not help is the job refused, with a code
that says whether to try later makes sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ganeti_core.errors import (
    ECODE_NORES,
    ECODE_TEMP_NORES,
    OpPrereqError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.operations.context import OpContext

T = TypeVar("T")

TRIES = 5
PATIENCE = 2.0
"""Seconds to wait before each new try, until another job gives some back."""


def retry_for_resources(
    ctx: OpContext, attempt: Callable[[], T], *, opportunistic: bool = False
) -> T:
    """Call `attempt` until it finds what it needs.

    :param opportunistic: those who hold locks of nodes may have it, too
    :raises OpPrereqError: no node has it (`ECODE_NORES`), or other jobs, or those who hold locks
        of nodes, have it (`ECODE_TEMP_NORES`)
    """
    reservations = ctx.services.reservations
    for turn in range(1, TRIES + 1):
        seen = reservations.version
        try:
            return attempt()
        except OpPrereqError as exc:
            if exc.ecode != ECODE_NORES:
                raise
            others = reservations.others_hold_resources(ctx.owner)
            if turn == TRIES or (turn > 1 and not others):
                if not others and not opportunistic:
                    raise
                raise OpPrereqError(exc.message, ECODE_TEMP_NORES) from exc
            reservations.give_up_resources(ctx.owner)
            if others:
                ctx.info(f"No room for the instance now, trying again: {exc.message}")
                reservations.wait_for_change(seen, PATIENCE)
            ctx.check_cancelled()
    raise AssertionError("the last turn returns or raises")
