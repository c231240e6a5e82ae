"""The cards that are attached on this node, and the services of their networks.

A hypervisor has a card attached by a network back end; that call passes here. A card is noted in a
file before it is attached, so that it can be taken back however its guest or the daemon ends, and
each service of its network gets all cards of that network on this node. Calls about one device come
one after the other, and so do those about one network: hooks run in many processes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugin_api.network_services import (
    NETWORK_SERVICES,
    ServedCard,
    ServedNetwork,
    served_network,
    services_of,
)
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.plugin_api.context import DriverCaller
    from ganeti_core.plugin_api.data import InstanceSpec, NicSpec

log = logging.getLogger(__name__)

CARDS, SERVED, LOCKS = "attached", "served", "locks"
Hook = Callable[..., Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """One service of one network on this node."""

    driver: str
    network: ServedNetwork

    @property
    def key(self) -> str:
        """Tells it from all others; what else is known of the network may change."""
        of = self.network
        parts = "\0".join((self.driver, of.uuid, of.mode, of.link, of.vlan))
        return hashlib.sha256(parts.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Cards:
    """The notes of one node.

    :param folder: holds them; a reboot empties it
    :param plain: calls a plugin of this node without passing here
    """

    folder: Path
    plain: DriverCaller

    def wrapped(self, kind: str, driver: str, hook: str, *, outside: bool) -> Hook | None:
        """Return what is to be called in the place of a plugin's hook; None for that one itself.

        :param outside: the daemon calls, and no hypervisor: only what is gone may be detached
        """
        return {
            (NETWORK_BACKENDS.name, "attach"): partial(self._attach, driver),
            (NETWORK_BACKENDS.name, "detach"): partial(self._detach, driver, outside),
            (NETWORK_SERVICES.name, "serve"): partial(self._serve, driver),
            (NETWORK_SERVICES.name, "end"): partial(self._serve, driver),
        }.get((kind, hook))

    def attached(self) -> list[ServedCard]:
        """Return the cards that are attached, or were when their guests ended."""
        return [card for path in sorted((self.folder / CARDS).glob("*.json"))
                if (card := _read(path, ServedCard)) is not None]

    def gone(self) -> list[ServedCard]:
        """Return those whose device is no more."""
        return [card for card in self.attached() if not _is_there(card.device)]

    def services(self) -> list[Service]:
        """Return the services that this node has begun, and not ended."""
        return [service for path in sorted((self.folder / SERVED).glob("*.json"))
                if (service := _read(path, Service)) is not None]

    def _attach(
        self, mode: str, *, nic: NicSpec, instance: InstanceSpec, device: str, **_: Any
    ) -> None:
        given = {"nic": nic, "instance": instance, "device": device}
        with self._locked(device):
            note = self._file(CARDS, device)
            before = _read(note, ServedCard)
            if before is not None and before.instance.uuid == instance.uuid:
                # A hypervisor need not keep the parameters of the system that it runs.
                instance = replace(instance, osparams={
                    **before.instance.osparams, **instance.osparams})
            _write(note, ServedCard(nic, replace(instance, disks=()), device))
            try:
                self.plain(NETWORK_BACKENDS.name, mode, "attach", **given)
                for service in _services(nic):
                    self._settle(service)
            except BaseException:
                with suppress(GanetiError):  # the reason why it is not attached counts
                    self.plain(NETWORK_BACKENDS.name, mode, "detach", **given)
                note.unlink(missing_ok=True)
                self._settle_quietly(nic)
                raise
            if before is not None:
                self._settle_quietly(before.nic)

    def _detach(
        self, mode: str, outside: bool, *, nic: NicSpec, instance: InstanceSpec, device: str,
        **_: Any,
    ) -> None:
        with self._locked(device):
            if outside and _is_there(device):
                return  # it has a guest again
            note = self._file(CARDS, device)
            before = _read(note, ServedCard)
            self.plain(NETWORK_BACKENDS.name, mode, "detach", nic=nic, instance=instance,
                       device=device)
            note.unlink(missing_ok=True)
            self._settle_quietly(nic if before is None else before.nic)

    def _serve(self, driver: str, *, network: ServedNetwork, **_: Any) -> None:
        """Which cards there are the caller cannot know better."""
        self._settle(Service(driver, network))

    def _settle_quietly(self, nic: NicSpec) -> None:
        """What cannot be done for a card that has gone is tried again by the daemon."""
        for service in _services(nic):
            try:
                self._settle(service)
            except GanetiError as exc:
                log.warning("network service %s of %s: %s", service.driver,
                            service.network.link or service.network.uuid, exc)

    def _settle(self, service: Service) -> None:
        """Let a service serve the cards that there are; end it where there are none."""
        with self._locked(service.key):
            note = self._file(SERVED, service.key)
            cards = [card for card in self.attached()
                     if service.key in {one.key for one in _services(card.nic)}]
            if not cards:
                self.plain(NETWORK_SERVICES.name, service.driver, "end", network=service.network)
                note.unlink(missing_ok=True)
                return
            newest = max((card.nic for card in cards), key=_serial)
            network = served_network(newest) or service.network
            _write(note, Service(service.driver, network))
            self.plain(NETWORK_SERVICES.name, service.driver, "serve", network=network,
                       cards=tuple(cards))

    def _file(self, folder: str, name: str) -> Path:
        # A device's name may be anything that a plugin made up.
        return self.folder / folder / f"{name.replace('/', '_')}.json"

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        path = self._file(LOCKS, name)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _services(nic: NicSpec) -> list[Service]:
    if (network := served_network(nic)) is None:
        return []
    return [Service(name, network) for name in services_of((network.network or {})["tags"])]


def _serial(nic: NicSpec) -> int:
    return int((nic.network or {}).get("serial_no") or 0)


def _is_there(device: str) -> bool:
    return device in {name for _, name in socket.if_nameindex()}


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    write_atomically(path, json.dumps(codec.encode(value)).encode(), 0o600, durable=False)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        found: T = codec.decode(kind, json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found
