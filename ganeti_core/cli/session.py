"""What a running command has at hand: its options, the master, and the form of opcodes."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.options import PRIORITIES
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    import optparse
    from collections.abc import Callable, Mapping

    from ganeti_core.cli.options import OptionSpec
    from ganeti_core.luxi.client import LuxiClient
    from ganeti_core.paths import Paths


@dataclass(frozen=True)
class Session:
    """One run of one command: `program` is ``gnt-instance``, `command` the sub-command."""

    paths: Paths
    program: str
    command: str
    options: optparse.Values
    client: LuxiClient
    described: Mapping[str, Any] | None = None
    """The cluster as it will be, where there is no master yet to ask."""

    def option(self, name: str) -> Any:
        """Give an option's value, None where this command has no such option."""
        return getattr(self.options, name, None)

    def cluster_info(self) -> Mapping[str, Any]:
        """The cluster's settings, with all defaults."""
        return self.client.query_cluster_info() if self.described is None else self.described

    def reason_trail(self) -> list[list[Any]]:
        """Return who asked: the user's reason, then the command; times in nanoseconds."""
        now = time.time_ns()
        trail: list[list[Any]] = []
        if self.option("reason"):
            trail.append(["gnt:user", self.option("reason"), now])
        return [*trail, [f"gnt:client:{self.program}", self.command, now]]

    def opcode(self, op_id: str, **fields: Any) -> dict[str, Any]:
        """Build an opcode with the settings that every opcode has; None leaves a field out."""
        opcode = {"OP_ID": op_id, "debug_level": self.option("debug") or 0,
                  "reason": self.reason_trail(), **self.general()}
        opcode.update((name, value) for name, value in fields.items() if value is not None)
        return opcode

    def general(self) -> dict[str, Any]:
        """Return the parameters of any opcode that an option of this command gives."""
        found: dict[str, Any] = {}
        if self.option("dry_run"):
            found["dry_run"] = True
        if self.option("priority"):
            found["priority"] = PRIORITIES[self.option("priority")]
        return found


@dataclass(frozen=True)
class Command:
    """A sub-command: what it takes, and the function that carries it out.

    `run` gets the session and the arguments and returns the exit status.  `most` None means any
    number of arguments.
    """

    run: Callable[[Session, list[str]], int]
    usage: str = ""
    least: int = 0
    most: int | None = 0
    options: tuple[OptionSpec, ...] = field(default=())
