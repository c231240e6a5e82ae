"""The process in which hooks of third parties run that belong on the master, one by one."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.logs import set_up_logging
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest, hook_failure
from ganeti_core.operations.helper_process import end_with_master
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc import wire

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


def serve(sock: socket.socket, host: PluginHost) -> None:
    """Say that the plugins are loaded, then return calls until the master closes its end."""
    try:
        channel.send(sock, {"ready": True})
        while True:
            channel.send(sock, {"answer": _envelope(sock, host, channel.receive(sock))})
    except channel.ChannelClosed:
        return


def _envelope(sock: socket.socket, host: PluginHost, message: dict[str, Any]) -> wire.Envelope:
    request = HookRequest(message["kind"], message["driver"], message["hook"],
                          message["arguments"], {})
    try:
        return wire.success(_run(sock, host, request, message["functions"]))
    except GanetiError as exc:
        return hook_failure(exc, request)
    except channel.ChannelClosed:
        raise
    except (Exception, SystemExit) as exc:  # wall: foreign code
        log.exception("plugin %s failed", request.title)
        said = str(exc) or "no message"
        return hook_failure(PluginError.in_hook(
            request.title, f"{type(exc).__name__}: {said}"), request)


def _run(
    sock: socket.socket, host: PluginHost, request: HookRequest, functions: list[str]
) -> Any:
    kind = KINDS[request.kind]
    spec = kind.hooks()[request.hook]
    arguments = codec.decode_arguments(spec, request.arguments, functions)
    passed = {name: _passed(sock, spec, name) for name in functions}
    result = getattr(host.driver(kind, request.driver), request.hook)(**arguments, **passed)
    codec.check_result(spec, result)
    return codec.encode(result)


def _passed(sock: socket.socket, spec: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What the plugin gets for a function of the master."""
    _, returns = get_args(codec.hook_types(spec)[name])

    def call(*arguments: Any) -> Any:
        channel.send(sock, {"call": name, "arguments": [codec.encode(value)
                                                        for value in arguments]})
        return codec.decode(returns, wire.unwrap(channel.receive(sock)["returned"]))

    return call


def main() -> None:
    """Serve; arguments: descriptor of the socket, root, log file, kinds and settings as JSON."""
    set_up_logging(Path(sys.argv[3]), "master-hooks")
    sock = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=end_with_master, args=(sock.dup(),), daemon=True).start()
    host = PluginHost(trial=False)
    host.load([KINDS[name] for name in json.loads(sys.argv[4])], trial=False)
    host.refresh_sources(Path(sys.argv[2]), json.loads(sys.argv[5]))
    serve(sock, host)


if __name__ == "__main__":
    main()
