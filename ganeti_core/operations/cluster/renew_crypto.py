"""``OP_CLUSTER_RENEW_CRYPTO``: new certificates for all nodes, if asked for a new authority.

Daemons go on. Old and new are both accepted while the change is under way, and every state in
between is a working one: after an interruption the operation is simply run again.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    GanetiError,
    OpExecError,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.cluster import ClusterRenewCrypto
from ganeti_core.operations.base import CLUSTER_SETTINGS, Operation, request
from ganeti_core.operations.ssconf import candidates_of, distribute
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.certs import Authority, new_authority, sign
from ganeti_core.rpc.tls import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


@dataclass(frozen=True)
class RenewPlan:
    """The nodes that take part: all that are not offline."""

    nodes: tuple[Node, ...]


class RenewCrypto(Operation[ClusterRenewCrypto, RenewPlan]):
    """Renew the nodes' certificates."""

    opcode = ClusterRenewCrypto

    def locks(self, op: ClusterRenewCrypto, snapshot: Snapshot) -> LockRequest:
        return request(op, CLUSTER_SETTINGS, Want(Level.NODE, ALL))

    def plan(self, op: ClusterRenewCrypto, ctx: OpContext) -> RenewPlan:
        if op.renew_ssh_keys:
            raise OpPrereqError("This cluster keeps no ssh keys: there are none to renew",
                                ECODE_INVAL)
        nodes = tuple(node for node in ctx.snapshot.nodes.values() if not node.offline)
        answers = ctx.fan_out(nodes, lambda _node: service_call("node.ping"))
        silent = [node.name for node in nodes if isinstance(answers[node.uuid], GanetiError)]
        if silent:
            raise OpPrereqError(
                f"Cannot renew certificates while nodes are silent: {', '.join(silent)}; start "
                "their node daemons, or mark them offline and add them again later "
                "(gnt-node add --readd)", ECODE_ENVIRON)
        return RenewPlan(nodes)

    def run(self, op: ClusterRenewCrypto, ctx: OpContext, plan: RenewPlan) -> None:
        if not (op.node_certificates or op.cluster_certificate):
            return
        current = Authority.load(ctx.services.paths)
        authority = current
        if op.cluster_certificate:
            authority = new_authority(ctx.snapshot.cluster.name)
            ctx.feedback("* all nodes trust the new authority beside the old one")
            both = (current.certificate + authority.certificate).decode()
            _everywhere(ctx, plan.nodes, lambda _node: _crypto("trust", ca=both))
        _renew_nodes(ctx, plan.nodes, authority)
        if op.cluster_certificate:
            ctx.feedback("* all nodes forget the old authority")
            _forget_old(ctx, plan.nodes, authority)
            # Signed by the new authority: nodes that trust no other can pass it on.
            distribute(ctx, plan.nodes)


def _renew_nodes(ctx: OpContext, nodes: tuple[Node, ...], authority: Authority) -> None:
    ctx.feedback(f"* {len(nodes)} nodes make new keys")
    requests = _everywhere(ctx, nodes, lambda _node: _crypto("request"))
    certificates = {node.uuid: sign(authority, requests[node.uuid], node.uuid, node.name)
                    for node in nodes}
    names = {uuid: fingerprint(ssl.PEM_cert_to_DER_cert(text))
             for uuid, text in certificates.items()}
    ctx.feedback("* all nodes accept the new certificates beside the old ones")
    known = [ctx.current.nodes[node.uuid] for node in nodes]
    ctx.services.store.commit([
        Put(replace(node, renewing=tuple(dict.fromkeys((*node.renewing, names[node.uuid])))))
        for node in known])
    if failed := distribute(ctx, nodes):
        raise OpExecError(f"These nodes do not know the new certificates: {', '.join(failed)}; "
                          "nothing uses them yet, run it again")
    ctx.feedback("* the nodes begin to use them")
    _everywhere(ctx, nodes, lambda node: _crypto("install", certificate=certificates[node.uuid]))
    ctx.commit([Put(replace(ctx.current.nodes[node.uuid], fingerprint=names[node.uuid],
                            renewing=())) for node in nodes])
    distribute(ctx)


def _forget_old(ctx: OpContext, nodes: tuple[Node, ...], authority: Authority) -> None:
    candidates = {node.uuid for node in candidates_of(ctx.current)}
    key = authority.key.decode()
    _everywhere(ctx, nodes, lambda node: _crypto(
        "trust", ca=authority.certificate.decode(),
        ca_key=key if node.uuid in candidates else ""))


def _crypto(step: str, **arguments: str) -> Call:
    return service_call("node.crypto", {"step": step, **arguments})


def _everywhere(
    ctx: OpContext, nodes: tuple[Node, ...], make: Callable[[Node], Call]
) -> Mapping[str, Any]:
    """Make one step on all nodes.

    :raises OpExecError: it failed somewhere; what was done so far harms nobody
    """
    # As they are now: a node whose certificate changes is not known by it.
    answers = ctx.fan_out([ctx.current.nodes[node.uuid] for node in nodes], make)
    failed = [f"{node.name}: {answer.message}" for node in nodes
              if isinstance(answer := answers[node.uuid], GanetiError)]
    if failed:
        raise OpExecError(f"Certificates could not be renewed on {'; '.join(failed)}. Old and new "
                          "ones are accepted: see to these nodes and run it again")
    return answers


OPERATIONS = (RenewCrypto(),)
