"""The process of one allocator: it keeps what it was sent of the cluster and solves requests."""

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
from ganeti_core.operations.placement.changed_parts import KnownParts
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugins import PluginHost


def serve(sock: socket.socket, world: World, allocator: str) -> None:
    """Solve requests until the master closes its end."""
    known = KnownParts()
    try:
        while True:
            message = channel.receive(sock)
            document = known.document(message["changes"])
            channel.send(sock, hook_envelope(world, HookRequest(
                IALLOCATORS.name, allocator, message["hook"],
                {"request": document, "parameters": message["parameters"]},
                message["settings"])))
    except channel.ChannelClosed:
        return


def main() -> None:
    """Serve; arguments: descriptor of the socket, local node, name of the allocator, log file."""
    set_up_logging(Path(sys.argv[4]), "allocator")
    sock = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=end_with_master, args=(sock.dup(),), daemon=True).start()
    host = PluginHost(trial=False)
    host.load([IALLOCATORS], trial=False)  # the master has tried it out
    serve(sock, World(LocalNode.from_dict(json.loads(sys.argv[2])), host), sys.argv[3])


if __name__ == "__main__":
    main()
