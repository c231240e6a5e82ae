"""Bring a host to the point where `OP_NODE_ADD` can take it: enrolled, its daemon running.

A host whose daemon already shows a certificate of this cluster is left alone. Others are enrolled
by ssh: the one-time token goes through the program's standard input, never on a command line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_ENVIRON, GanetiError, OpPrereqError
from ganeti_core.plugin_api.run import CommandFailed, run_command
from ganeti_core.resolve import resolve
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import DEFAULT_PORT
from ganeti_core.rpc.tls import TlsIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.paths import Paths


START = ('if [ -z "$GANETI_ROOT" ] && [ -d /run/systemd/system ] && '
         "systemctl cat ganeti-noded.service > /dev/null 2>&1; "
         "then systemctl start ganeti-noded.service; else ganeti-noded; fi")
"""For the shell of the new node: where systemd has units, a daemon that ssh has started would be no
unit, be in the login's control group, and nobody would start it again."""


def prepare_node(
    paths: Paths, name: str, token: Mapping[str, str], options: Mapping[str, Any]
) -> None:
    """Enrol the host `name` unless its daemon answers as a node of this cluster.

    :param token: as `enrol.enrol_info` makes it
    :raises OpPrereqError: the name does not resolve, or the host could not be reached by ssh
    """
    host = resolve(paths, name)
    if is_enrolled(paths, host.name, host.address):
        return
    ssh = ssh_words(host.name, options)
    enrol = ["ganeti-noded", "enrol", "--master", token["master"], "--master-fingerprint",
             token["master_fingerprint"], "--ca-fingerprint",
             token["ca_fingerprint"], "--name", host.name, "--address", host.address, "--port",
             str(DEFAULT_PORT)]
    if options.get("force_join") or options.get("readd"):
        enrol.append("--replace")
    try:
        # With the user's environment: ssh finds the user's agent and settings by it.
        run_command([*ssh, *enrol], timeout=120.0, env=os.environ,
                    stdin=token["token"] + "\n")
        run_command([*ssh, START], timeout=200.0, env=os.environ)
    except CommandFailed as exc:
        raise OpPrereqError(
            f"The host {host.name} could not be enrolled by ssh: {exc}. Enrol it by hand there: "
            f"{' '.join(enrol)} (the token goes on standard input), start ganeti-noded and try "
            "again", ECODE_ENVIRON) from exc


def ssh_words(name: str, options: Mapping[str, Any]) -> list[str]:
    """Return the beginning of a command line that runs a program as root on a host."""
    ndparams = options.get("ndparams") or {}
    words = ["ssh", "-o", "BatchMode=yes", "-p", str(dict(ndparams).get("ssh_port", 22))]
    if not options.get("ssh_key_check", True):
        words += ["-o", "StrictHostKeyChecking=no"]
    return [*words, f"root@{name}"]


def is_enrolled(paths: Paths, name: str, address: str) -> bool:
    """Whether a node daemon of this cluster answers there."""
    clients = NodeClients(TlsIdentity.of(paths), lambda: 0)
    try:
        clients.call(Peer("", name, address, DEFAULT_PORT, ""), service_call("node.ping"))
    except GanetiError:
        return False
    finally:
        clients.close()
    return True
