"""Addresses that an administrator gives to a node."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    ECODE_NOTUNIQUE,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, MIRRORED

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

PING_SECONDS = 10.0


def check_address(text: str) -> None:
    """:raises OpPrereqError: it is no address of a host (`ECODE_INVAL`)"""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise OpPrereqError(f"'{text}' is not a valid IP address", ECODE_INVAL) from exc
    if address.is_multicast or address.is_unspecified:
        raise OpPrereqError(f"'{text}' is not the address of a host", ECODE_INVAL)


def is_answered(address: str, port: int, source: str = "") -> bool:
    """Whether a host has this address: it takes a connection, or refuses it.

    :param source: the address to connect from
    """
    try:
        with closing(socket.create_connection(
                (address, port), PING_SECONDS, (source, 0) if source else None)):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def check_secondary(ctx: OpContext, node: Node, secondary: str, *, force: bool) -> None:
    """See whether a node may have another secondary address.

    All nodes have one of their own, or none has; the master changes first.

    :raises OpPrereqError: they would differ (`ECODE_INVAL`), another node has the address
        (`ECODE_NOTUNIQUE`), copies of disks follow over the present one (`ECODE_STATE`), or the
        master cannot reach it (`ECODE_ENVIRON`)
    """
    check_address(secondary)
    check_unused(ctx, node, secondary)
    if secondary != (node.secondary_ip or node.primary_ip):
        check_carries_no_copies(ctx, node)
    master = ctx.snapshot.master
    alone = master.secondary_ip in ("", master.primary_ip)
    stays_alone = secondary == node.primary_ip
    forced = force and node.uuid == master.uuid
    if alone and not stays_alone and not forced:
        raise OpPrereqError(
            "Changing the secondary ip on a single-homed cluster requires the --force option to "
            "be passed, and the target node to be the master", ECODE_INVAL)
    if not alone and stays_alone and not forced:
        raise OpPrereqError(
            "Cannot set the secondary IP to be the same as the primary IP on a multi-homed "
            "cluster, unless the --force option is passed, and the target node is the master",
            ECODE_INVAL)
    if forced and alone != stays_alone:
        ctx.warn("Transitioning from single-homed to multi-homed cluster; all nodes will require "
                 "a secondary IP address" if alone else
                 "Transitioning from multi-homed to single-homed cluster; secondary IP addresses "
                 "will have to be removed")
    if not node.offline:
        check_reachable(ctx, node, secondary)


def check_unused(ctx: OpContext, node: Node, address: str) -> None:
    """:raises OpPrereqError: another node has the address (`ECODE_NOTUNIQUE`)"""
    for other in ctx.snapshot.nodes.values():
        if other.uuid != node.uuid and address in (other.primary_ip, other.secondary_ip):
            raise OpPrereqError(f"The address {address} is that of node {other.name} already",
                                ECODE_NOTUNIQUE)


def check_carries_no_copies(ctx: OpContext, node: Node) -> None:
    """See that no instance writes to a copy over the node's secondary address.

    Both ends of such a disk know it from when the disk was opened. Nobody can see to that on a node
    that is offline: there no instance may have such disks at all, as in Ganeti.

    :raises OpPrereqError: one does (`ECODE_STATE`)
    """
    found = sorted(
        instance.name for instance in ctx.snapshot.instances.values()
        if node.uuid in (instance.primary_node, *instance.secondary_nodes)
        and (node.offline or instance.disks_active or instance.admin_state == "up")
        and any(MIRRORED in ctx.host.describe(DISK_TEMPLATES, disk.template).capabilities
                for disk in ctx.snapshot.disks_of(instance)))
    if found and node.offline:
        raise OpPrereqError("Cannot change secondary IP address: offline node has instances "
                            f"({', '.join(found)}) configured to use it", ECODE_STATE)
    if found:
        raise OpPrereqError(
            f"Cannot change the secondary address of {node.name}: the disks of "
            f"{', '.join(found)} are written to over it; shut them down first (gnt-instance "
            "shutdown, or deactivate-disks)", ECODE_STATE)


def check_reachable(ctx: OpContext, node: Node, secondary: str) -> None:
    """:raises OpPrereqError: the master does not reach the address of `node` (`ECODE_ENVIRON`)"""
    master = ctx.snapshot.master
    source = "" if node.uuid == master.uuid else master.secondary_ip
    if not is_answered(secondary, node.port, source):
        raise OpPrereqError(
            f"Node secondary ip not reachable by TCP based ping to node daemon port: {secondary} "
            f"port {node.port}", ECODE_ENVIRON)
