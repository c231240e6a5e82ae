"""Cards that need nothing of the node."""

from __future__ import annotations

from ganeti_core.plugin_api import Description, NetworkLink, hookimpl
from ganeti_core.plugin_api.network import USER_MODE


class UserNetwork:
    """Leaves the card to the hypervisor's own user-mode network: the guest can reach out, and
    nobody can reach it. For trying things out, and where the daemons do not run as root.
    """

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="User-mode networking, without root",
                           capabilities=frozenset({USER_MODE}))

    @hookimpl
    def check(self, links: tuple[NetworkLink, ...]) -> list[str]:
        return []

    @hookimpl
    def attach(self) -> None:
        """Nothing is to be done: there is no interface."""

    @hookimpl
    def detach(self) -> None:
        """Nothing was done."""
