"""The process of one allocator: it keeps the instances' documents, and answers requests on them."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import select
import socket
import sys
import threading
from typing import Any

from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest, hook_envelope
from ganeti_core.node.world import Place, World
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugins import PluginHost

_LOG_FORMAT = "%(asctime)s: allocator pid=%(process)d %(name)s %(levelname)s %(message)s"


def serve(sock: socket.socket, world: World, allocator: str) -> None:
    """Answer requests until the master closes its end."""
    instances: dict[str, Any] = {}
    try:
        while True:
            message = channel.receive(sock)
            instances.update(message["changed"])
            for name in message["gone"]:
                instances.pop(name, None)
            # The plugin may change its request as it likes, but not what is kept of it here.
            document = message["document"] | {"instances": dict(instances)}
            channel.send(sock, hook_envelope(world, HookRequest(
                IALLOCATORS.name, allocator, message["hook"], {"request": document},
                message["settings"])))
    except channel.ChannelClosed:
        return


def end_with_master(sock: socket.socket) -> None:
    """End this process, whatever it does, as soon as the master has: it hangs up then."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    poll.poll()
    os._exit(0)


def main() -> None:
    """Serve; arguments: descriptor of the socket, place, name of the allocator, log file."""
    logging.basicConfig(
        level=logging.INFO, format=_LOG_FORMAT,
        handlers=[logging.handlers.WatchedFileHandler(sys.argv[4])])
    sock = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=end_with_master, args=(sock.dup(),), daemon=True).start()
    host = PluginHost()
    host.load([IALLOCATORS])
    serve(sock, World(Place.from_dict(json.loads(sys.argv[2])), host), sys.argv[3])


if __name__ == "__main__":
    main()
