"""``gnt-node preflight``: whether hosts can be nodes, and what puts right what they lack."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.node.modify import SECONDARY_IP
from ganeti_core.cli.session import Command
from ganeti_core.errors import OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.cli.session import Session
    from ganeti_core.node.preflight import Finding

KEY_CHECK = opt.flag("--no-ssh-key-check", dest="ssh_key_check", off=True,
                     help="Accept any ssh host key")


def findings_of(session: Session, name: str, *, is_known: bool = False) -> list[Finding]:
    """Look at a host; on this host itself no ssh is needed.

    :param is_known: it may be a node already, as every node of this cluster may
    """
    from ganeti_core.bootstrap.join import ssh_words
    from ganeti_core.bootstrap.preflight import ask_host, question_of
    from ganeti_core.resolve import resolve

    host = resolve(session.paths, name)
    question = question_of(session.client.node_preflight(), host.name, host.address,
                           session.options.secondary_ip or "", is_known=is_known)
    return ask_host(question, ssh_words(host.name, vars(session.options)))


def said(name: str, found: Sequence[Finding]) -> list[str]:
    """Return the findings in words, errors first."""
    lines = []
    for one in sorted(found, key=lambda one: one.severity):
        lines.append(f"{name}: {one.severity}: {one.what}")
        if one.remedy:
            lines.append(f"    {one.remedy}")
    return lines


def _looked_at(session: Session, name: str) -> list[Finding]:
    """Look at a host; that it cannot be looked at is a finding, too: others follow."""
    from ganeti_core.node.preflight import Finding

    try:
        return findings_of(session, name)
    except OpPrereqError as exc:
        return [Finding("error", str(exc.args[0]))]


def _preflight(session: Session, arguments: list[str]) -> int:
    status = 0
    for name in arguments:
        found = _looked_at(session, name)
        for line in said(name, found):
            print(line)
        if any(one.severity == "error" for one in found):
            status = EXIT_FAILURE
        else:
            print(f"{name}: ready to be a node")
    sys.stdout.flush()
    return status


COMMANDS = {
    "preflight": Command(_preflight, "[-s ip] [--no-ssh-key-check] <host-name>...", 1, None, (
        SECONDARY_IP, KEY_CHECK)),
}
