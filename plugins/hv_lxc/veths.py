"""Network cards of containers: veth pairs, whose end on the node a network back end attaches.

LXC moves the other end into the container. A pair is gone with either of its ends; its name follows
from the container's folder and the card, so it is never another container's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ganeti_core.plugin_api import (
    CommandFailed,
    GanetiError,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    OpPrereqError,
    run_command,
)

LIMIT = 10.0
DIGITS = 11
"""With a prefix of four letters a name is as long as it may be."""


@dataclass(frozen=True)
class Cards:
    """The cards of one container, whose `folder` tells its devices from all others'."""

    ctx: HookContext
    folder: Path

    @contextmanager
    def attached(self, instance: InstanceSpec) -> Iterator[None]:
        """Make all pairs and have their ends attached; all is taken back if the body fails.

        :raises HypervisorError: this node cannot give a card what it asks; nothing is left
        """
        with ExitStack() as undo:
            for nic in instance.nics:
                undo.callback(self._try_remove, instance, nic)
                self._make(nic)
                self._call(nic, "attach", instance)
                self._set_mtu(nic)
            yield
            undo.pop_all()

    def remove(self, instance: InstanceSpec) -> None:
        """Have all cards detached, and their pairs removed; harmless twice.

        :raises HypervisorError: something is left
        """
        for nic in instance.nics:
            try:
                self._call(nic, "detach", instance)
            except _NoBackEnd as exc:
                # What is no longer installed cannot be called, and must not keep a guest for ever.
                self.ctx.log.warning("NIC %d of %s is not detached: %s", nic.index,
                                     instance.name, exc)
            self._delete(nic)

    def device(self, nic: NicSpec) -> str:
        """Return the name of the end on the node."""
        return f"veth{self._digest(nic)}"

    def inner(self, nic: NicSpec) -> str:
        """Return the name of the other end, while it is on the node."""
        return f"vgst{self._digest(nic)}"

    def _digest(self, nic: NicSpec) -> str:
        return hashlib.sha256(f"{self.folder}\0{nic.uuid}".encode()).hexdigest()[:DIGITS]

    def _make(self, nic: NicSpec) -> None:
        self._delete(nic)
        with _as_hypervisor_error(nic):
            _ip("link", "add", "dev", self.device(nic), "type", "veth", "peer", "name",
                self.inner(nic), "address", nic.mac)

    def _set_mtu(self, nic: NicSpec) -> None:
        """Give the container's end what the back end has given to the node's."""
        with _as_hypervisor_error(nic):
            (seen,) = json.loads(_ip("-j", "link", "show", "dev", self.device(nic)))
            _ip("link", "set", "dev", self.inner(nic), "mtu", str(seen["mtu"]))

    def _delete(self, nic: NicSpec) -> None:
        with suppress(CommandFailed):
            _ip("link", "del", "dev", self.device(nic))
        names = {str(one.get("ifname")) for one in json.loads(_ip("-j", "link", "show") or "[]")}
        if self.device(nic) in names:
            raise HypervisorError(f"the interface {self.device(nic)} of NIC {nic.index} ({nic.mac})"
                                  " cannot be removed")

    def _try_remove(self, instance: InstanceSpec, nic: NicSpec) -> None:
        with suppress(HypervisorError):  # whoever removes the container's folder tries again
            self._call(nic, "detach", instance)
        with suppress(HypervisorError):
            self._delete(nic)

    def _call(self, nic: NicSpec, hook: str, instance: InstanceSpec) -> None:
        try:
            self.ctx.driver("network_backends", nic.mode, "describe")
        except OpPrereqError as exc:
            raise _NoBackEnd(f"NIC {nic.index} ({nic.mac}): {exc.message}") from exc
        with _as_hypervisor_error(nic):
            self.ctx.driver("network_backends", nic.mode, hook, nic=nic, instance=instance,
                            device=self.device(nic))


class _NoBackEnd(HypervisorError):
    """A card's back end is not installed."""


@contextmanager
def _as_hypervisor_error(nic: NicSpec) -> Iterator[None]:
    try:
        yield
    except GanetiError as exc:
        raise HypervisorError(f"NIC {nic.index} ({nic.mac}): {exc.message}") from exc


def _ip(*words: str) -> str:
    return run_command(["ip", *words], timeout=LIMIT).stdout
