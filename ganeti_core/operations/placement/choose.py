"""Ask an allocator to choose nodes, and check what it returns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_FAULT,
    ECODE_INVAL,
    ECODE_NORES,
    OpExecError,
    OpPrereqError,
)
from ganeti_core.operations.placement.document import SECONDARY, Request, cluster_document
from ganeti_core.plugin_api.iallocator import IALLOCATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.operations.context import OpContext

ALLOCATIONS = frozenset({"allocate", "multi-allocate"})
"""Request types that get the parameters which the cluster has for its default allocator."""


def choose_nodes(ctx: OpContext, allocator: str, request: Request) -> list[str]:
    """Ask an allocator for the nodes of one instance; return their names.

    :raises OpPrereqError: it found none (`ECODE_NORES`)
    """
    result = solution(ctx, allocator, request, "nodes")
    if len(result) != request.body.get("required_nodes", 1):
        raise OpPrereqError(
            f"iallocator '{allocator}' returned invalid number of nodes ({len(result)}), required "
            f"{request.body.get('required_nodes', 1)}", ECODE_FAULT)
    check_nodes(ctx, allocator, result)
    return [str(name) for name in result]


def solution(
    ctx: OpContext, allocator: str, request: Request, what: str,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> list[Any]:
    """Ask an allocator and return its result; what it says of it is put into the job's log.

    :param what: of the message when there is none: ``Can't compute WHAT using ...``
    :param extra: parameters beside those that the cluster has for it
    :raises OpPrereqError: it found no solution (`ECODE_NORES`)
    """
    answer = ask_allocator(ctx, allocator, request, extra)
    if not answer["success"]:
        raise OpPrereqError(
            f"Can't compute {what} using iallocator '{allocator}': {answer['info']}", ECODE_NORES)
    if answer["info"]:
        ctx.info(f"iallocator {allocator}: {answer['info']}")
    result: list[Any] = answer["result"]
    return result


def check_nodes(ctx: OpContext, allocator: str, names: Iterable[Any]) -> None:
    """Check that what an allocator chose for one instance are nodes of this cluster, each once.

    :raises OpExecError: they are not
    """
    seen: set[str] = set()
    for name in names:
        node = ctx.current.find("node", name) if isinstance(name, str) else None
        if node is None:
            raise OpExecError(f"iallocator '{allocator}' chose node {name!r}, which is no node of "
                              "this cluster")
        if node.uuid in seen:
            raise OpExecError(f"iallocator '{allocator}' chose node {name!r} twice for one "
                              "instance")
        seen.add(node.uuid)


def ask_allocator(
    ctx: OpContext, allocator: str, request: Request,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Send one request to an allocator; return its answer, which has the protocol's form.

    :raises OpPrereqError: it does not answer such requests, or not with the cluster's parameters
    :raises OpExecError: there is no such allocator, or it broke
    """
    parameters = {**_check_asked(ctx, allocator, request.body), **extra}
    ctx.host.check_parameters(IALLOCATORS, allocator, parameters)
    document = cluster_document(ctx, request)
    for name, node in document["nodes"].items():
        if node["silent"]:
            ctx.warn(f"node {name} does not answer; no instance is placed on it")
        if node["lacks"]:
            ctx.warn(f"no instance is placed on node {name}: {node['lacks']}")
    with ctx.waiting.on(f"{IALLOCATORS.name} {allocator}: solve"):
        answer = ctx.services.allocators.ask(
            allocator, "solve", document, ctx.cancelled, parameters)
    one = request.body["type"] == SECONDARY  # whose result is a name, by the protocol
    match answer:
        case {"success": bool(), "info": str(), "result": list()}:
            found: dict[str, Any] = answer
            return found
        case {"success": True, "info": str(), "result": str(name)} if one:
            return {**answer, "result": [name]}
        case {"success": False, "info": str()}:
            return {**answer, "result": []}
    raise OpExecError(
        f"iallocator '{allocator}' gave an answer of the wrong form, which must have success (true "
        f"or false), info (text) and result (a list): {str(answer)[:200]}")


def _check_asked(ctx: OpContext, allocator: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check that an allocator can be asked; return the parameters for this request."""
    if not ctx.services.allocators.known(allocator):
        if any((one.kind, one.name) == (IALLOCATORS.name, allocator) for one in ctx.host.status()):
            ctx.host.describe(IALLOCATORS, allocator)  # says why it is not used
        raise OpExecError(f"Failure while running the iallocator script: iallocator module "
                          f"'{allocator}' not found in the search path")
    answered = ctx.host.describe(IALLOCATORS, allocator).capabilities
    if request["type"] not in answered:
        raise OpPrereqError(
            f"iallocator '{allocator}' does not answer requests of the type '{request['type']}'; "
            f"it answers: {', '.join(sorted(answered)) or 'none'}", ECODE_INVAL)
    cluster = ctx.current.cluster
    if request["type"] not in ALLOCATIONS or allocator != cluster.default_iallocator:
        return {}
    return cluster.default_iallocator_params


def explain_choice(ctx: OpContext, allocator: str, request: Request) -> None:
    """Put into the job's log how an allocator sees every node.

    :raises NotSupported: the allocator cannot explain
    """
    parameters = _check_asked(ctx, allocator, request.body)
    document = cluster_document(ctx, request)
    for name, node in document["nodes"].items():
        if node["lacks"]:
            ctx.feedback(f"{name}: left out: {node['lacks']}")
    answer = ctx.services.allocators.ask(
        allocator, "explain", document, ctx.cancelled, parameters)
    if not isinstance(answer, dict):
        raise OpExecError(f"iallocator '{allocator}' gave an explanation of the wrong form: "
                          f"{str(answer)[:200]}")
    for line in str(answer.get("text", "")).splitlines():
        ctx.feedback(line)


def default_allocator(ctx: OpContext, asked: str | None) -> str:
    """Return the allocator that was asked for, or the cluster's default.

    :raises OpPrereqError: there is neither (`ECODE_INVAL`)
    """
    name = asked if asked not in (None, ".") else ctx.snapshot.cluster.default_iallocator
    if not name:
        raise OpPrereqError(
            "No iallocator or node on which to place the instance was given, and the cluster has "
            "no default iallocator", ECODE_INVAL)
    return name
