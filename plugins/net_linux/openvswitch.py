"""Cards on an Open vSwitch."""

from __future__ import annotations

from ganeti_core.plugin_api import (
    CommandFailed,
    HookContext,
    InstanceSpec,
    NetworkLink,
    NicSpec,
    run_command,
)
from ganeti_core.plugin_api.network import DEVICE_LINK, FILTERS, VLANS

from .base import LinuxNetwork
from .interfaces import LIMIT, ip
from .vlans import tagged, untagged

PROGRAM = "ovs-vsctl"


class OpenvswitchNetwork(LinuxNetwork):
    """Makes the guest's interface a port of the switch that the card's link names.

    :param program: what administers the switches
    """

    mode = "openvswitch"
    title = "Open vSwitch"
    capabilities = frozenset({DEVICE_LINK, VLANS, FILTERS})

    def __init__(self, program: str = PROGRAM) -> None:
        self._program = program

    def missing(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        if not links:
            return []
        try:
            known = set(self._run("list-br").split())
        except CommandFailed as exc:
            return [f"Open vSwitch cannot be asked for its bridges: {exc}"]
        missing = sorted({one.link for one in links} - known)
        return [f"Missing Open vSwitch bridges {', '.join(missing)}"] if missing else []

    def join(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        own, others = untagged(nic.vlan), tagged(nic.vlan)
        settings = [*([f"tag={own}"] if own else []),
                    *([f"trunks={','.join(others)}"] if others else []),
                    *(["vlan_mode=native-untagged"] if own and others else [])]
        ip("link", "set", "dev", device, "up")
        # One transaction: the port never is in other VLANs than its own.
        self._run("--if-exists", "del-port", device, "--", "add-port", nic.link, device, *settings)

    def leave(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        try:
            self._run("--if-exists", "del-port", device)
        except CommandFailed:
            # Without Open vSwitch there is no port; one that is only ill is asked again.
            if self._is_installed():
                raise

    def _is_installed(self) -> bool:
        try:
            self._run("--version")
        except CommandFailed:
            return False
        return True

    def _run(self, *words: str) -> str:
        return run_command([self._program, *words], timeout=LIMIT).stdout
