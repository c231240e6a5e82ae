"""How to reach a guest's console: the serial line first, then the screen."""

from __future__ import annotations

from ganeti_core.plugin_api import Console, InstanceSpec, NodeRef

from .command_line import FIRST_VNC_PORT, vnc_address
from .guests import Guest
from .sockets import PATH_LIMIT

TERMINAL = "STDIO,raw,echo=0,escape=0x1d"
"""socat's address of the user's terminal; Ctrl-] leaves the console."""


def console(guest: Guest, instance: InstanceSpec, node: NodeRef) -> Console:
    """Tell how the console of `instance`, whose hvparams are filled, is reached on `node`."""
    params = instance.hvparams
    if params["serial_console"]:
        return Console(kind="ssh", instance=instance.name, host=node.name,
                       command=_socat(guest))
    if vnc_address(params, instance).startswith("unix:"):
        return Console(kind="msg", instance=instance.name,
                       message=f"VNC server listening on {node.name}: "
                               f"{vnc_address(params, instance)}")
    if vnc_address(params, instance) and instance.network_port is not None:
        return Console(kind="vnc", instance=instance.name, host=node.address,
                       port=instance.network_port,
                       display=instance.network_port - FIRST_VNC_PORT)
    return Console(kind="msg", instance=instance.name,
                   message=f"No serial shell and no screen for instance {instance.name}")


def _socat(guest: Guest) -> tuple[str, ...]:
    path = str(guest.serial_socket)
    # A long path does not fit a socket's address, and socat reads some characters as its own.
    if len(path.encode()) <= PATH_LIMIT and not set(path) & set(",:!\\\"'()[]{}"):
        return ("socat", TERMINAL, f"UNIX-CONNECT:{path}")
    return ("env", f"--chdir={guest.folder}", "socat", TERMINAL,
            f"UNIX-CONNECT:{guest.serial_socket.name}")
