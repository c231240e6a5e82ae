"""What a verification finds, told in the job's log as the peer tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganeti_core.operations.context import OpContext


@dataclass
class Findings:
    """Collects what is wrong; `feedback` tells it as it is found.

    :param codes: tell error code, kind and name in machine-readable form
    :param ignored: codes that are warnings only
    """

    ctx: OpContext
    codes: bool
    ignored: frozenset[str]
    bad: bool = field(default=False)

    def error(self, code: str, kind: str, name: str, message: str, *, notice: bool = False) -> None:
        """Report one finding in the peer's form."""
        level = "NOTICE" if notice else "WARNING" if code in self.ignored else "ERROR"
        if level == "ERROR":
            self.bad = True
        if self.codes:
            self.ctx.feedback(f"  - {level}:{code}:{kind}:{name}:{message}")
        else:
            self.ctx.feedback(f"  - {level}: {kind} {name}: {message}")
