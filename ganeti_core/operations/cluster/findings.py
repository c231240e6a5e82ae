"""What a verification finds, reported in the job's log as Ganeti does."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.verification import CODES

if TYPE_CHECKING:
    from ganeti_core.opcodes.cluster import ClusterVerifyConfig, ClusterVerifyGroup
    from ganeti_core.operations.context import OpContext

Level = Literal["ERROR", "WARNING", "NOTICE"]
DRIVER_CODE = "ENODESETUP"
"""What drivers report of their node, where they or Ganeti have no code of its own for it."""


@dataclass
class Findings:
    """Collects what is wrong, and reports it as it is found.

    What a finding is about, such as a node, follows from its code (`CODES`).

    :param codes: show error code, kind and name in machine-readable form
    :param ignored: codes that are warnings only
    :param simulate: report every condition as if it were wrong, to see the messages
    """

    ctx: OpContext
    codes: bool
    ignored: frozenset[str]
    simulate: bool = False
    bad: bool = field(default=False)

    @classmethod
    def of(cls, op: ClusterVerifyConfig | ClusterVerifyGroup, ctx: OpContext) -> Findings:
        return cls(ctx, op.error_codes, frozenset(op.ignore_errors), op.debug_simulate_errors)

    def error_if(
        self, wrong: bool, code: str, name: str, message: str, *, level: Level = "ERROR"
    ) -> None:
        """Report a finding where something is wrong."""
        if wrong or self.simulate:
            self.error(code, name, message, level=level)

    def warn(self, code: str, name: str, message: str) -> None:
        """Report what may become a problem and is none now."""
        self.error(code, name, message, level="WARNING")

    def error(self, code: str, name: str, message: str, *, level: Level = "ERROR") -> None:
        """Report one finding.

        :param name: of the object; empty where it is the cluster as a whole
        """
        if level == "ERROR" and code in self.ignored:
            level = "WARNING"
        if level == "ERROR":
            self.bad = True
        kind = CODES[code]
        if self.codes:
            # Scripts that split Ganeti's lines at the colons find its name for no name.
            self.ctx.feedback(f"  - {level}:{code}:{kind}:{name or None}:{message}")
        else:
            self.ctx.feedback(f"  - {level}: {kind} {name}: {message}")
