"""Networks."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class NetworkAdd(OpCode):
    """Add a network."""

    op_id = "OP_NETWORK_ADD"
    summary_field = "network_name"

    network_name: NonEmptyStr
    network: NonEmptyStr
    gateway: NonEmptyStr | None = None
    network6: NonEmptyStr | None = None
    gateway6: NonEmptyStr | None = None
    mac_prefix: NonEmptyStr | None = None
    add_reserved_ips: list[Any] | None = None
    conflicts_check: bool = True
    tags: list[NonEmptyStr] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class NetworkConnect(OpCode):
    """Connect a network to a node group."""

    op_id = "OP_NETWORK_CONNECT"
    summary_field = "network_name"

    group_name: NonEmptyStr
    network_name: NonEmptyStr
    network_mode: NonEmptyStr
    network_link: NonEmptyStr
    network_vlan: str = ""
    conflicts_check: bool = True


@dataclass(frozen=True, kw_only=True)
class NetworkDisconnect(OpCode):
    """Disconnect a network from a node group."""

    op_id = "OP_NETWORK_DISCONNECT"
    summary_field = "network_name"

    group_name: NonEmptyStr
    network_name: NonEmptyStr


@dataclass(frozen=True, kw_only=True)
class NetworkRemove(OpCode):
    """Remove a network."""

    op_id = "OP_NETWORK_REMOVE"
    summary_field = "network_name"

    network_name: NonEmptyStr
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkSetParams(OpCode):
    """Change settings of a network."""

    op_id = "OP_NETWORK_SET_PARAMS"
    summary_field = "network_name"

    network_name: NonEmptyStr
    gateway: NonEmptyStr | None = None
    network6: NonEmptyStr | None = None
    gateway6: NonEmptyStr | None = None
    mac_prefix: NonEmptyStr | None = None
    add_reserved_ips: list[Any] | None = None
    remove_reserved_ips: list[Any] | None = None
