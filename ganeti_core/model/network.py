"""A network: a range of addresses that instances draw from."""

from __future__ import annotations

from dataclasses import field

from ganeti_core.lazy_dataclass import dataclass

from .base import ConfigObject, Params


@dataclass(frozen=True, kw_only=True)
class Network(ConfigObject):
    """An IPv4 network. The two reservation maps are strings of ``0`` and ``1``, one per address."""

    name: str
    network: str
    gateway: str | None = None
    network6: str | None = None
    gateway6: str | None = None
    mac_prefix: str | None = None
    reservations: str = ""
    ext_reservations: str = ""
    other: Params = field(default_factory=dict)
