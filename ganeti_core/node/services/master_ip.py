"""The cluster's own address, on whichever node is the master.

Where the administrator has a program of his own for it, that is run; else the address is put on
the device with ``ip``. Both ways are idempotent: an address that is there already is fine.
"""

from __future__ import annotations

import ipaddress
import logging
import shutil
import time
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import ECODE_INVAL, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.run import CommandFailed, run_command

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 10.0
_AS_WANTED = ("file exists", "cannot assign requested address", "address already assigned",
              "address not found")
"""What ``ip`` says where there is nothing to do; the kernel's version decides which."""


@dataclass(frozen=True)
class MasterIpArgs:
    """Of ``node.master_ip``.

    :param external: run the administrator's program instead of ``ip``
    """

    action: Literal["start", "stop"]
    ip: str
    netdev: str
    netmask: int
    external: bool = False


def master_ip(state: NodeState, args: dict[str, Any], deadline: float) -> bool:
    """Put the address on this node or take it off; whether anything had to be done.

    :raises OpPrereqError: it is no address
    :raises OpExecError: it did not work; says why
    """
    wanted = decode(MasterIpArgs, args)
    timeout = max(1.0, min(_SECONDS, deadline - time.monotonic()))
    return change(state.world.local.paths, wanted, timeout)


def change(paths: Paths, wanted: MasterIpArgs, timeout: float = _SECONDS) -> bool:
    """See `master_ip`."""
    try:
        address = ipaddress.ip_interface(f"{wanted.ip}/{wanted.netmask}")
    except ValueError as exc:
        raise OpPrereqError(f"{wanted.ip}/{wanted.netmask} is no address", ECODE_INVAL) from exc
    if wanted.external:
        _run_program(paths, wanted, address.version, timeout)
        return True
    if address.ip.is_loopback:
        return False  # every loopback address is everywhere
    verb = "add" if wanted.action == "start" else "del"
    try:
        run_command(["ip", "address", verb, str(address), "dev", wanted.netdev],
                    timeout=timeout, env={"PATH": SEARCH_PATH, "LC_ALL": "C"})
    except CommandFailed as exc:
        if any(words in str(exc).lower() for words in _AS_WANTED):
            return False
        raise OpExecError(f"Can't {wanted.action} the master IP {wanted.ip} on "
                          f"{wanted.netdev}: {exc}") from exc
    if wanted.action == "start" and address.version == 4:
        _announce(wanted, timeout)
    log.info("the master IP %s: %s on %s", address, wanted.action, wanted.netdev)
    return True


def _announce(wanted: MasterIpArgs, timeout: float) -> None:
    """Return the neighbours that the address has moved; without the program they learn later."""
    program = shutil.which("arping", path=SEARCH_PATH)
    if program is None:
        return
    try:
        run_command([program, "-q", "-U", "-c", "3", "-I", wanted.netdev, "-s", wanted.ip,
                     wanted.ip], timeout=timeout)
    except CommandFailed as exc:
        log.info("the neighbours could not be told of the master IP: %s", exc)


def _run_program(paths: Paths, wanted: MasterIpArgs, version: int, timeout: float) -> None:
    program = paths.etc / "scripts/master-ip-setup"
    environment = {
        "PATH": SEARCH_PATH, "LC_ALL": "C", "MASTER_IP": wanted.ip,
        "MASTER_NETDEV": wanted.netdev, "MASTER_NETMASK": str(wanted.netmask),
        "CLUSTER_IP_VERSION": str(version)}
    try:
        run_command([program, wanted.action], timeout=timeout, env=environment)
    except CommandFailed as exc:
        raise OpExecError(f"Can't {wanted.action} the master IP: {exc}") from exc
