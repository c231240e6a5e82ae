"""Administrators' scripts around an operation: which run, where, and with which environment.

An operation tells (`Operation.scripts`) the folder's name, the variables and the nodes. The job's
worker runs ``NAME-pre.d`` after the plan and before anything is done, in a dry run too: a failing
script refuses the operation. ``NAME-post.d`` runs after it has been done: a failure there is a
warning. At last ``config-update-post.d`` runs on the master, if the configuration changed, also by
an operation that failed later. A node that cannot be asked stops nothing.
Names of folders and variables are those that existing scripts know.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import GanetiError, ScriptsAbort
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call

VERSION = "2"
"""Of the environment, as scripts may check it."""
FAILED = "error"
CONFIG_UPDATE = "config-update"
Phase = Literal["pre", "post"]


@dataclass(frozen=True)
class Scripts:
    """The scripts of one operation.

    :param name: of the folders, without ``-pre.d`` and ``-post.d``
    :param about: kind of the object: ``INSTANCE``, ``NODE``, ``GROUP``, ``NETWORK``, ``CLUSTER``
    :param environment: without the prefix ``GANETI_``
    :param before: uuids of the nodes where ``pre`` scripts run, `after`: ``post`` scripts
    :param on_master: whether both run on the master too
    """

    name: str
    about: str
    environment: Mapping[str, str]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    on_master: bool = True


def run_before(ctx: OpContext, op: OpCode, scripts: Scripts | None) -> None:
    """Run the ``pre`` scripts.

    :raises ScriptsAbort: one failed; carries (node, script, output) of each that did
    """
    if scripts is None:
        return
    variables = _prefixed("GANETI_", scripts.environment)
    failed = _run(ctx, op, scripts, "pre", variables)
    if failed:
        raise ScriptsAbort([list(failure) for failure in failed])


def run_after(
    ctx: OpContext, op: OpCode, scripts: Scripts | None, now: Callable[[], Scripts | None]
) -> None:
    """Run the ``post`` scripts; `now` tells the variables as they are after the operation."""
    if scripts is None:
        return
    try:
        later = now()
    except GanetiError as exc:
        ctx.warn(f"post scripts of {scripts.name} are told how things were before: {exc}")
        later = scripts
    variables = _prefixed("GANETI_", scripts.environment)
    if later is not None:
        variables |= _prefixed("GANETI_POST_", later.environment)
    _warn(ctx, _run(ctx, op, scripts, "post", variables))


def run_farewell(ctx: OpContext, op: OpCode, scripts: Scripts, node: Node) -> None:
    """Run the ``post`` scripts on a node that is in the configuration no more."""
    if node.offline:
        return
    variables = (_prefixed("GANETI_", scripts.environment)
                 | _prefixed("GANETI_POST_", scripts.environment))
    _warn(ctx, _run_on(ctx, {node.uuid: node}, _call(ctx, op, scripts, "post", variables)))


def run_config_update(ctx: OpContext, op: OpCode, scripts: Scripts | None) -> None:
    """Run what waits for any change of the configuration; it is told what `scripts` were."""
    known = scripts or Scripts(CONFIG_UPDATE, "", {})
    told = Scripts(CONFIG_UPDATE, known.about, known.environment)
    variables = _prefixed("GANETI_", told.environment)
    _warn(ctx, _run(ctx, op, told, "post", variables))


def run_verify(
    ctx: OpContext, op: OpCode, scripts: Scripts, silent: Callable[[str, GanetiError], None]
) -> list[tuple[str, str, str]]:
    """Run the ``post`` scripts of a verification; return (node, script, output) of failures.

    :param silent: is told of nodes (names) that do not say what became of theirs, and why
    """
    variables = (_prefixed("GANETI_", scripts.environment)
                 | _prefixed("GANETI_POST_", scripts.environment))
    return _run(ctx, op, scripts, "post", variables, silent)


def _prefixed(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in environment.items()}


def _run(
    ctx: OpContext, op: OpCode, scripts: Scripts, phase: Phase, variables: dict[str, str],
    silent: Callable[[str, GanetiError], None] | None = None,
) -> list[tuple[str, str, str]]:
    """Run one phase on all its nodes at once; return (node, script, output) of failures.

    :param silent: is told of nodes that do not answer; without it the job's owner is warned
    """
    nodes = _nodes(ctx, [*([ctx.current.cluster.master_node] if scripts.on_master else []),
                         *(scripts.before if phase == "pre" else scripts.after)])
    if _has_none(ctx.services.paths.scripts / f"{scripts.name}-{phase}.d"):
        nodes.pop(ctx.current.cluster.master_node, None)
    return _run_on(ctx, nodes, _call(ctx, op, scripts, phase, variables), silent)


def _call(
    ctx: OpContext, op: OpCode, scripts: Scripts, phase: Phase, variables: dict[str, str]
) -> Call:
    before = ctx.snapshot  # as all variables without GANETI_POST_
    environment = variables | {
        "GANETI_HOOKS_VERSION": VERSION, "GANETI_OP_CODE": op.op_id,
        "GANETI_DATA_DIR": str(ctx.services.paths.data), "GANETI_HOOKS_PHASE": phase,
        "GANETI_HOOKS_PATH": scripts.name,
        **({"GANETI_OBJECT_TYPE": scripts.about} if scripts.about else {}),
        "GANETI_CLUSTER": before.cluster.name, "GANETI_MASTER": before.master.name}
    return service_call("node.scripts", {
        "name": scripts.name, "phase": phase, "environment": environment})


def _run_on(
    ctx: OpContext, nodes: Mapping[str, Node], call: Call,
    silent: Callable[[str, GanetiError], None] | None = None,
) -> list[tuple[str, str, str]]:
    failed: list[tuple[str, str, str]] = []
    for uuid, answer in ctx.fan_out(nodes.values(), _same(call)).items():
        name = nodes[uuid].name
        if isinstance(answer, GanetiError):
            if silent is None:
                ctx.warn(f"Communication failure to node {name}: {answer}")
            else:
                silent(name, answer)
            continue
        failed += [(name, str(result["script"]), str(result["output"])) for result in answer
                   if result["status"] == FAILED]
    return failed


def _warn(ctx: OpContext, failed: list[tuple[str, str, str]]) -> None:
    for node, script, output in failed:
        ctx.warn(f"On {node} script {script} failed, output: {output or '(no output)'}")


def _has_none(folder: Path) -> bool:
    """Whether this node has no script there: it need not be asked then."""
    try:
        return not os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # not ours to see


def _same(call: Call) -> Callable[[Node], Call]:
    return lambda _node: call


def _nodes(ctx: OpContext, uuids: Iterable[str]) -> dict[str, Node]:
    known = ctx.current.nodes
    return {uuid: known[uuid] for uuid in dict.fromkeys(uuids)
            if uuid in known and not known[uuid].offline}


def text(value: Any) -> str:
    """A value as scripts know it: ``True``, ``None``, numbers, lists with spaces."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def texts(**values: Any) -> dict[str, str]:
    """Variables by their lower-case names."""
    return {name.upper(): text(value) for name, value in values.items()}
