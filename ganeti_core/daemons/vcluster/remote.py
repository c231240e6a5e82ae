"""Programs that run as on a node: for a command, and in the place of ssh."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.daemons.vcluster.layout import Layout, VirtualNode

_SSH_OPTIONS_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
_SSH_FAILED = 255
NO_PROGRAM = 127


def become(node: VirtualNode, words: Sequence[str]) -> int:
    """Replace this process by a program on `node`; returns only when there is no such program."""
    environment = os.environ | node.environment()
    sys.stdout.flush()
    try:
        os.execvpe(words[0], list(words), environment)  # noqa: S606  # no shell is wanted
    except FileNotFoundError:
        print(f"gnt-vcluster: there is no program {words[0]}", file=sys.stderr)
    except PermissionError:
        print(f"gnt-vcluster: {words[0]} may not be run", file=sys.stderr)
    return NO_PROGRAM


def write_ssh(layout: Layout) -> None:
    """Make the program ``ssh`` that stands before the real one in the ``PATH`` of all nodes.

    What the cluster does on another node by ssh, such as consoles and ``gnt-node add``, works so
    without an ssh server, keys and root.
    """
    layout.programs.mkdir(mode=0o755)
    program = layout.programs / "ssh"
    own = Path(sysconfig.get_path("scripts")) / "gnt-vcluster"
    program.write_text(
        "#!/bin/sh\n# Hosts of this virtual cluster are folders on this machine.\n"
        f"exec {shlex.quote(str(own))} ssh --root {shlex.quote(str(layout.root))} -- \"$@\"\n")
    program.chmod(0o755)


def ssh(layout: Layout, words: Sequence[str]) -> int:
    """Do what ``ssh WORDS`` would; hosts that are not of this cluster are left to the real one."""
    host, command = _parse(words)
    try:
        node = layout.node(host.rpartition("@")[2])
    except ConfigurationError:
        return _real_ssh(layout, words)
    shell = os.environ.get("SHELL", "/bin/sh")
    return become(node, ["/bin/sh", "-c", " ".join(command)] if command else [shell])


def _parse(words: Sequence[str]) -> tuple[str, list[str]]:
    """Split ssh's arguments into host and command; its options mean nothing here."""
    left = list(words)
    while left and left[0].startswith("-"):
        option = left.pop(0)
        if option == "--":
            break
        # -pPORT and -qp PORT are both usual.
        at = next((i for i, letter in enumerate(option[1:], 1)
                   if letter in _SSH_OPTIONS_WITH_VALUE), 0)
        if at == len(option) - 1 and left:
            left.pop(0)
    if not left:
        raise ConfigurationError("ssh needs a host")
    return left[0], left[1:]


def _real_ssh(layout: Layout, words: Sequence[str]) -> int:
    others = os.pathsep.join(folder for folder in os.environ.get("PATH", os.defpath).split(
        os.pathsep) if folder != str(layout.programs))
    program = shutil.which("ssh", path=others)
    if program is not None:
        os.execv(program, [program, *words])  # noqa: S606  # no shell is wanted
    print("ssh: the host is no node of this virtual cluster, and this machine has no ssh",
          file=sys.stderr)
    return _SSH_FAILED
