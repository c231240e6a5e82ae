"""The process in which authenticators are asked: one that hangs is killed with it."""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path

from ganeti_core.logs import set_up_logging
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest, hook_envelope
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.operations.helper_process import end_with_master
from ganeti_core.plugin_api.authenticator import AUTHENTICATORS
from ganeti_core.plugins import PluginHost


def serve(sock: socket.socket, world: World) -> None:
    """Say which authenticators there are, then ask them until the daemon closes its end."""
    try:
        channel.send(sock, {"rows": [[row.name, row.problem] for row in world.host.status()
                                     if row.kind == AUTHENTICATORS.name]})
        while True:
            message = channel.receive(sock)
            channel.send(sock, {"answer": hook_envelope(world, HookRequest(
                AUTHENTICATORS.name, message["driver"], "authenticate", message["arguments"],
                message["settings"]))})
    except channel.ChannelClosed:
        return


def main() -> None:
    """Serve; arguments: descriptor of the socket, local node, log file."""
    set_up_logging(Path(sys.argv[3]), "authenticators")
    sock = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=end_with_master, args=(sock.dup(),), daemon=True).start()
    local, host = LocalNode.from_dict(json.loads(sys.argv[2])), PluginHost()
    host.load([AUTHENTICATORS])
    host.refresh_sources(local.paths.root, {})
    serve(sock, World(local, host))


if __name__ == "__main__":
    main()
