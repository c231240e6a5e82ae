"""How to reach a guest's console: the serial line first, then the screen."""

from __future__ import annotations

import ipaddress

from ganeti_core.plugin_api import Console, InstanceSpec, NodeRef

from .bind import address_of
from .guests import Guest
from .screen import FIRST_VNC_PORT, spice_port, vnc_socket


def console(guest: Guest, instance: InstanceSpec, node: NodeRef) -> Console:
    """Return how the console of `instance`, whose hvparams are filled, is reached on `node`.

    :raises OpPrereqError: the interface on which the screen is has no address any more
    """
    params = instance.hvparams
    if params["serial_console"]:
        return Console(kind="unix", instance=instance.name, path=str(guest.serial_socket))
    bind, port = str(params["vnc_bind_address"]), instance.network_port
    if (path := vnc_socket(params, instance)) is not None:
        return Console(kind="vnc", instance=instance.name, path=str(path))
    if bind and port is not None:
        return Console(kind="vnc", instance=instance.name, port=port, display=port - FIRST_VNC_PORT,
                       host=_host(address_of("vnc_bind_address", bind), node))
    if (port := spice_port(params, instance)) is not None:
        address = address_of("spice_bind", params["spice_bind"], int(params["spice_ip_version"]))
        return Console(kind="spice", instance=instance.name, host=_host(address, node), port=port)
    return Console(kind="msg", instance=instance.name,
                   message=f"No serial shell and no screen for instance {instance.name}")


def _host(address: str, node: NodeRef) -> str:
    """Where a screen is that listens at `address`: one that listens everywhere is at the node."""
    return node.address if ipaddress.ip_address(address).is_unspecified else address
