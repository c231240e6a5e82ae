"""How to reach a guest's console: the serial line first, then the screen."""

from __future__ import annotations

import ipaddress

from ganeti_core.plugin_api import Console, InstanceSpec, NodeRef

from .bind import address_of
from .guests import Guest
from .qmp import QmpRefused, QmpUnreachable
from .run_states import NEVER_RAN
from .screen import FIRST_VNC_PORT, spice_port, vnc_socket

_GO_ON = r"""
ask() {
  (printf '%s\n' '{"execute": "qmp_capabilities"}' "{\"execute\": \"$1\"}"; sleep 1) |
    socat - UNIX-CONNECT:control
}
case "$(ask query-status)" in *""" + NEVER_RAN + """*) ask cont ;; esac"""
"""What lets a guest run that has waited since its start, if it still does."""


def console(guest: Guest, instance: InstanceSpec, node: NodeRef) -> Console:
    """Return how the console of `instance`, whose hvparams are filled, is reached on `node`.

    :raises OpPrereqError: the interface on which the screen is has no address any more
    """
    params = instance.hvparams
    if params["serial_console"]:
        return Console(kind="unix", instance=instance.name, path=str(guest.serial_socket),
                       command=_go_on(guest))
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


def _go_on(guest: Guest) -> tuple[str, ...]:
    """What lets a guest that was started paused run once somebody sees its console, as Ganeti's
    does; nothing for any other guest, or one whose QEMU does not answer."""
    try:
        with guest.query() as qmp:
            waits = qmp.execute("query-status")["status"] == NEVER_RAN
    except (QmpUnreachable, QmpRefused):
        return ()
    # The address of a socket is short, and its folder may have characters that socat reads.
    folder = guest.control_socket.parent
    return ("env", f"--chdir={folder}", "sh", "-c", _GO_ON) if waits else ()


def _host(address: str, node: NodeRef) -> str:
    """Where a screen is that listens at `address`: one that listens everywhere is at the node."""
    return node.address if ipaddress.ip_address(address).is_unspecified else address
