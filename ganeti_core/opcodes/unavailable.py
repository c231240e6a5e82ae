"""What is known of Ganeti's interface and not done in this version: opcodes, parameters, commands.

The one table of it: the engine refuses by it; help texts, manual pages and the reference mark by
it. It imports nothing, for every command asks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.opcodes.base import OpCode

MARK = "not available in this version"
OPCODES: frozenset[str] = frozenset()
"""Those that can be submitted and fail; each has no operation."""
PARAMETERS: Mapping[str, frozenset[str]] = {
    "OP_BACKUP_EXPORT": frozenset({
        # Of exports to other clusters.
        "x509_key_name", "destination_x509_ca"}),
    "OP_INSTANCE_CREATE": frozenset({
        # Of imports from other clusters.
        "source_handshake", "source_instance_name", "source_shutdown_timeout",
        "source_x509_ca"}),
}
"""By opcode: those that are refused when they are set. Off, empty and the default ask for
nothing."""

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "gnt-debug": {"metad": "there is no daemon of this name to talk to: the service of a network "
                           "answers its guests for metadata (tag cloud-metadata)"},
}
"""By program: commands that are refused, and what is to be known instead."""


def asked_in_vain(op: OpCode) -> list[str]:
    """The parameters that `op` sets and nothing would heed."""
    return sorted(name for name in PARAMETERS.get(op.op_id, ())
                  if getattr(op, name) and getattr(op, name) != getattr(type(op), name, None))


def refusal(names: list[str]) -> str:
    """Say in one sentence what is refused."""
    words = ", ".join(f"'{name}'" for name in names)
    return (f"The parameter {words} is {MARK}" if len(names) == 1
            else f"The parameters {words} are {MARK}")
