"""Network cards of guests: QEMU's user-mode network, or tap devices that network back ends attach.

A tap device that is not made persistent lives as long as a descriptor of it is open, so it goes
with its QEMU, however that ends. Its name follows from the guest's folder and the card, so what a
back end keeps beside it can be taken back at any time, and is never another guest's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    Description,
    GanetiError,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    OpPrereqError,
    run_command,
)
from ganeti_core.plugin_api.network import COMMUNICATION, EXCLUSIVE, USER_MODE
from ganeti_core.plugin_api.run import DEFAULT_PATH

from .parameters import queues

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
IFF_MULTI_QUEUE = 0x0100
VHOST = Path("/dev/vhost-net")
INTERFACE_REQUEST = "16sH22x"
LONGEST_NAME = 15
SCRIPT = "etc/ganeti/kvm-vif-bridge"
"""The administrator's own set-up of tap devices, in place of that of any back end."""
SCRIPT_LIMIT = 60.0



@dataclass(frozen=True)
class Tap:
    """Descriptors of a tap device, one for each queue, and of the kernel's servers of them."""

    queues: tuple[int, ...]
    vhost: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.queues, *self.vhost)

    def options(self, words: Mapping[int, str]) -> dict[str, str]:
        """The options of a ``netdev``, with what QEMU calls each descriptor."""
        found = {"fds" if len(self.queues) > 1 else "fd": ":".join(map(words.__getitem__,
                                                                        self.queues))}
        if self.vhost:
            found["vhostfds" if len(self.vhost) > 1 else "vhostfd"] = ":".join(
                map(words.__getitem__, self.vhost))
        return found


Ends = Mapping[str, Tap | None]
"""The host's end of each card, by its uuid; None in user mode."""


@dataclass(frozen=True)
class Cards:
    """The cards of one guest's QEMU, whose `folder` tells its tap devices from all others'."""

    ctx: HookContext
    folder: Path

    @contextmanager
    def ends(
        self, instance: InstanceSpec, nics: Sequence[NicSpec], *, incoming: bool = False
    ) -> Iterator[Ends]:
        """Make the host's end of each card, and have it attached.

        Descriptors are closed at the end: QEMU has inherited them by then. What was attached is
        detached if the body fails.

        :param incoming: the guest is only to arrive here: its routes still lead to its old node
        :raises HypervisorError: this node cannot give a card what it asks; nothing is left
        """
        with ExitStack() as descriptors, ExitStack() as undo:
            found: dict[str, Tap | None] = {}
            for nic in nics:
                about = self._about(nic)
                if USER_MODE in about.capabilities:
                    found[nic.uuid] = None
                    continue
                found[nic.uuid] = _opened(nic, self.device(nic), instance, descriptors)
                if not (incoming and EXCLUSIVE in about.capabilities):
                    self._attach(nic, instance)
                    undo.callback(self._try_detach, nic, instance)
            yield found
            undo.pop_all()

    def arrived(self, instance: InstanceSpec) -> None:
        """Attach the cards of a guest that has arrived; twice is harmless.

        :raises HypervisorError: one cannot be attached
        """
        for nic in instance.nics:
            if EXCLUSIVE in self._about(nic).capabilities:
                self._attach(nic, instance)

    def detach(self, instance: InstanceSpec, nics: Sequence[NicSpec]) -> None:
        """Take back what was attached, whether or not the tap devices are there.

        :raises HypervisorError: something is left
        """
        for nic in nics:
            try:
                about = self._about(nic)
            except HypervisorError as exc:
                # What is no longer installed cannot be called, and must not keep a guest for ever.
                self.ctx.log.warning("NIC %d of %s is not detached: %s", nic.index,
                                     instance.name, exc)
                continue
            if USER_MODE not in about.capabilities:
                self._call(nic, "detach", instance)

    def has_tap(self, nic: NicSpec) -> bool:
        """Whether a card has a tap device.

        :raises HypervisorError: there is no such back end
        """
        return USER_MODE not in self._about(nic).capabilities

    def move(self, instance: InstanceSpec, old: NicSpec, new: NicSpec) -> None:
        """Attach the tap device of a card, while the guest has it, as `new` says.

        :raises HypervisorError: it cannot be; it is attached as before
        """
        self.detach(instance, [old])
        try:
            self._attach(new, instance)
        except HypervisorError:
            self._attach(old, instance)
            raise

    def device(self, nic: NicSpec) -> str:
        """The name of a card's tap device."""
        digest = hashlib.sha256(f"{self.folder}\0{nic.uuid}".encode()).hexdigest()
        if (nic.name or "").startswith(COMMUNICATION):
            return f"gnt.com.{int(digest, 16) % 10 ** 7}"
        return f"tap{digest}"[:LONGEST_NAME]

    def _attach(self, nic: NicSpec, instance: InstanceSpec) -> None:
        script, device = self.ctx.root / SCRIPT, self.device(nic)
        if not os.access(script, os.X_OK):
            self._call(nic, "attach", instance)
            return
        with _as_hypervisor_error(nic):
            variables = self.ctx.driver("network_backends", nic.mode, "environment", nic=nic,
                                        instance=instance, device=device)
            run_command([script, device], timeout=SCRIPT_LIMIT,
                        env={"PATH": DEFAULT_PATH, "LC_ALL": "C", **variables})

    def _try_detach(self, nic: NicSpec, instance: InstanceSpec) -> None:
        with suppress(HypervisorError):  # whoever removes the guest's folder tries again
            self.detach(instance, [nic])

    def _call(self, nic: NicSpec, hook: str, instance: InstanceSpec) -> None:
        with _as_hypervisor_error(nic):
            self.ctx.driver("network_backends", nic.mode, hook, nic=nic, instance=instance,
                            device=self.device(nic))

    def _about(self, nic: NicSpec) -> Description:
        try:
            found: Description = self.ctx.driver("network_backends", nic.mode, "describe")
        except OpPrereqError as exc:
            raise HypervisorError(f"NIC {nic.index} ({nic.mac}): {exc.message}") from exc
        return found


@contextmanager
def _as_hypervisor_error(nic: NicSpec) -> Iterator[None]:
    try:
        yield
    except GanetiError as exc:
        raise HypervisorError(f"NIC {nic.index} ({nic.mac}): {exc.message}") from exc


def _wants_offload(hvparams: Mapping[str, Any]) -> bool:
    return bool(hvparams["vnet_hdr"]) and hvparams["nic_type"] == "paravirtual"


def _opened(nic: NicSpec, name: str, instance: InstanceSpec, descriptors: ExitStack) -> Tap:
    """The tap device of a card, whose descriptors are closed with `descriptors`."""
    params = instance.hvparams
    is_virtio = params["nic_type"] == "paravirtual"
    count = queues(params, instance.vcpus) if is_virtio else 1
    flags = IFF_VNET_HDR if _wants_offload(params) else 0
    flags |= IFF_MULTI_QUEUE if count > 1 else 0
    found = []
    for _ in range(count):
        found.append(_open_tap(nic, name, flags))
        descriptors.callback(os.close, found[-1])
    servers = []
    for _ in range(count if is_virtio and params["vhost_net"] else 0):
        try:
            servers.append(os.open(VHOST, os.O_RDWR | os.O_CLOEXEC))
        except OSError as exc:
            raise HypervisorError(f"NIC {nic.index} ({nic.mac}): vhost_net needs {VHOST}: "
                                  f"{exc.strerror} (modprobe vhost_net)") from exc
        descriptors.callback(os.close, servers[-1])
    return Tap(tuple(found), tuple(servers))


def _open_tap(nic: NicSpec, name: str, more: int) -> int:
    what = f"NIC {nic.index} ({nic.mac})"
    if os.geteuid() != 0:
        raise HypervisorError(f"{what}: tap devices need root; run the node daemon as root, or use "
                              "a network of user mode (mode=user)")
    flags = IFF_TAP | IFF_NO_PI | more
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        raise HypervisorError(f"{what}: cannot open /dev/net/tun: {exc.strerror}") from exc
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack(INTERFACE_REQUEST, name.encode(), flags))
    except OSError as exc:
        os.close(descriptor)
        raise HypervisorError(
            f"{what}: cannot make the tap device {name}: {exc.strerror}") from exc
    return descriptor
