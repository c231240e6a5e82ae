"""This node's end of streams between nodes, and the program that has it beside all hooks."""

from __future__ import annotations

import json
import logging
import ssl
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.paths import Paths
from ganeti_core.plugin_api.context import HookContext, StreamEndpoint
from ganeti_core.plugin_api.node_programs import PART
from ganeti_core.plugin_api.stream_kept import serve_kept
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.tls import TlsIdentity, fingerprint

if TYPE_CHECKING:
    from ganeti_core.node.local_node import LocalNode


def stream_endpoint(local: LocalNode) -> StreamEndpoint:
    """Make what the streams of this node's hooks need: certificates, and who is a member."""
    identity = TlsIdentity.of(local.paths)
    members = Members.of(local.paths)

    def server() -> ssl.SSLContext:
        context = identity.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    return StreamEndpoint(
        local.identity.address, server, identity.client_context,
        lambda der: fingerprint(der) in members.known().certificates,
        (sys.executable, "-m", __name__, str(local.paths.root)))


def main() -> None:
    """Carry one stream, or call a plugin's function (`plugin_api.node_programs`).

    Arguments: the node's root, and what is wanted as JSON.
    """
    from ganeti_core.node.local_node import LocalNode

    paths, wanted = Paths(Path(sys.argv[1])), json.loads(sys.argv[2])
    local = LocalNode(NodeIdentity.load(paths), paths)
    state = Path(wanted["state"])
    ctx = HookContext(
        local.identity.name, paths.root, state, Path(wanted.get("keep") or state), paths.log,
        logging.getLogger("receiving"), endpoint=lambda: stream_endpoint(local))
    if wanted["part"] != PART:
        serve_kept(ctx, wanted)
        return
    module, _, name = wanted["function"].partition(":")
    getattr(import_module(module), name)(ctx, wanted["argument"])


if __name__ == "__main__":
    main()
