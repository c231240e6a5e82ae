"""Addresses to listen on: given as they are, or as an interface of the node that has them."""

from __future__ import annotations

import ipaddress
import json

from ganeti_core.plugin_api import ECODE_ENVIRON, CommandFailed, run_command

from .parameters import refusal

EITHER = 0


def address_of(parameter: str, bind: str, version: int = EITHER) -> str:
    """The address that `bind` means on this node; of an interface that has both, version 4 unless
    the other one is asked for.

    :param parameter: whose value it is, for messages
    :raises OpPrereqError: it is neither an address nor an interface with one
    """
    try:
        given = ipaddress.ip_address(bind)
    except ValueError:
        return _of_interface(parameter, bind, version)
    if version and given.version != version:
        raise refusal(parameter, bind, f"is no address of IP version {version}, which is "
                                       "asked for")
    return bind


def _of_interface(parameter: str, name: str, version: int) -> str:
    wanted = "neither a valid IP address nor an interface of this node"
    try:
        shown = run_command(["ip", "-j", "address", "show", "dev", name], timeout=10.0).stdout
    except (CommandFailed, OSError) as exc:
        raise refusal(parameter, name,
                      f"must be an address or an interface, and is {wanted}") from exc
    found = {4: "", 6: ""}
    for item in json.loads(shown or "[]"):
        for entry in item.get("addr_info", ()):
            number = 4 if entry.get("family") == "inet" else 6
            if entry.get("scope") != "link":
                found[number] = found[number] or str(entry.get("local", ""))
    address = found[version] if version else found[4] or found[6]
    if not address:
        kind = f" of IP version {version}" if version else ""
        raise refusal(parameter, name, f"this interface has no address{kind} on this node",
                      ECODE_ENVIRON)
    return address
