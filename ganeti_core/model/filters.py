"""A filter rule: which queued jobs may start."""

from __future__ import annotations

from typing import Any

from ganeti_core.lazy_dataclass import dataclass

from .base import ConfigObject


@dataclass(frozen=True, kw_only=True)
class FilterRule(ConfigObject):
    """A rule of the job filters.

    :param watermark: the rule concerns jobs with ids up to it at creation time's queue serial
    :param predicates: ``["jobid" | "opcode" | "reason", expression]`` each; all must match
    :param action: ``ACCEPT``, ``CONTINUE``, ``PAUSE``, ``REJECT`` or ``["RATE_LIMIT", n]``
    """

    watermark: int
    priority: int
    predicates: tuple[Any, ...] = ()
    action: Any = "CONTINUE"
    reason: tuple[Any, ...] = ()
