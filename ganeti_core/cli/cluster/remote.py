"""``gnt-cluster command`` and ``copyfile``: on the nodes, by the administrator's own ssh.

No daemon takes part: what is run is as root, and with nobody's rights but those of the keys that
the caller has. Only the names and the state of the nodes come from the master.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError, wrong_input
from ganeti_core.cli.online import online_nodes
from ganeti_core.cli.session import Command
from ganeti_core.paths import ROOT_VARIABLE

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_SSH = ("ssh", "-q", "-o", "BatchMode=yes")
_LOGIN = "root"


def _ssh(address: str, port: int, command: str) -> list[str]:
    return [*_SSH, "-p", str(port), f"{_LOGIN}@{address}", command]


def _command(session: Session, arguments: list[str]) -> int:
    options = session.options
    command = " ".join(arguments)
    hosts = sorted(online_nodes(session, options.nodes, options.nodegroup),
                   key=lambda host: host.is_master)
    session.client.close()
    for host in hosts:
        # The master is here: it needs no key of its own.
        words = ["/bin/sh", "-c", command] if host.is_master else _ssh(
            host.name, host.ssh_port, command)
        ran = _run(words)
        if options.failure_only and ran.returncode == 0:
            continue
        output = ran.stdout + ran.stderr
        print("-" * 48)
        if options.show_machine_names:
            for line in output.splitlines():
                print(f"{host.name}: {line}")
        else:
            print(f"node: {host.name}\n{output}")
        print(f"return code = {ran.returncode}", flush=True)
    return 0


def _run(words: list[str], source: Path = Path(os.devnull)) -> subprocess.CompletedProcess[str]:
    """Run a program that reads the file `source`."""
    try:
        with source.open("rb") as stdin:
            ran = subprocess.run(words, stdin=stdin, capture_output=True, check=False)
    except OSError as exc:
        raise CommandError(f"Cannot run {words[0]}: {exc.strerror}") from exc
    return subprocess.CompletedProcess(ran.args, ran.returncode,
                                       ran.stdout.decode(errors="replace"),
                                       ran.stderr.decode(errors="replace"))


def _copyfile(session: Session, arguments: list[str]) -> int:
    file = Path(os.path.abspath(arguments[0]))
    if not file.exists():
        raise wrong_input(f"No such filename '{file}'")
    if not file.is_file():
        raise wrong_input(f"'{file}' is not a regular file")
    relative = _below_root(session, file)
    options = session.options
    hosts = [host for host in online_nodes(session, options.nodes, options.nodegroup)
             if not host.is_master]
    session.client.close()
    status = 0
    for host in hosts:
        address = host.secondary_ip if options.use_replication_network else host.name
        ran = _run(_ssh(address, host.ssh_port, receiver(relative, file.stat())), file)
        if ran.returncode != 0:
            status = EXIT_FAILURE
            print(f"Copy of file {file} to node {address}:{host.ssh_port} failed"
                  f" ({ran.stderr.strip() or f'ssh returned {ran.returncode}'})",
                  file=sys.stderr)
    return status


def _below_root(session: Session, file: Path) -> str:
    """Return the file's path from the root of its node.

    :raises errors.OpPrereqError: all nodes of a virtual cluster share it
    """
    root = Path(os.path.abspath(session.paths.root))
    if not file.is_relative_to(root):
        raise wrong_input(f"All nodes of this virtual cluster share {file}: only files below"
                          f" {root} can be copied")
    return str(file.relative_to(root))


def receiver(relative: str, found: os.stat_result) -> str:
    """Make the shell command that takes a file from its standard input, whole or not at all, and
    gives it the mode and the time that it has here: a connection that is cut looks like its end."""
    name = shlex.quote(f"./{relative}")
    return (f'umask 077; cd "${{{ROOT_VARIABLE}:-/}}" && t=$(mktemp {name}.XXXXXX) && '
            f'cat >"$t" && [ "$(wc -c <"$t")" -eq {found.st_size} ] && '
            f'chmod {stat.S_IMODE(found.st_mode):o} "$t" && '
            f'touch -d @{found.st_mtime_ns / 1e9:.6f} "$t" && mv -f "$t" {name} || '
            '{ s=$?; rm -f "$t"; exit $s; }')


_NODES = opt.repeated("-n", "--node", dest="nodes", type="string", metavar="<node>",
                      help="A node; without it all of them")

COMMANDS = {
    "command": Command(_command, "[-n <node-name>...] <command>", 1, None, (
        _NODES, opt.NODE_GROUP,
        opt.flag("-M", "--show-machine-names", dest="show_machine_names",
                 help="Put the node's name before every line"),
        opt.flag("--failure-only", dest="failure_only",
                 help="Show only nodes on which it failed"))),
    "copyfile": Command(_copyfile, "[-n <node-name>...] <filename>", 1, 1, (
        _NODES, opt.NODE_GROUP,
        opt.flag("--use-replication-network", dest="use_replication_network",
                 help="Reach the nodes by their secondary addresses"))),
}
