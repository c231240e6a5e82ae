"""How to reach a guest's console: the serial line first, then the screen."""

from __future__ import annotations

from pathlib import Path

from ganeti_core.plugin_api import Console, InstanceSpec, NodeRef

from .guests import Guest
from .screen import FIRST_VNC_PORT, spice_port


def console(guest: Guest, instance: InstanceSpec, node: NodeRef) -> Console:
    """Return how the console of `instance`, whose hvparams are filled, is reached on `node`."""
    params = instance.hvparams
    if params["serial_console"]:
        return Console(kind="unix", instance=instance.name, path=str(guest.serial_socket))
    bind, port = str(params["vnc_bind_address"]), instance.network_port
    if bind.startswith("/"):
        return Console(kind="msg", instance=instance.name,
                       message=f"VNC server listening on {node.name}: "
                               f"unix:{Path(bind) / instance.name}.vnc")
    if bind and port is not None:
        return Console(kind="vnc", instance=instance.name, host=node.address, port=port,
                       display=port - FIRST_VNC_PORT)
    if (port := spice_port(params, instance)) is not None:
        return Console(kind="spice", instance=instance.name, host=node.address, port=port)
    return Console(kind="msg", instance=instance.name,
                   message=f"No serial shell and no screen for instance {instance.name}")
