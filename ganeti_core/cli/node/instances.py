"""``gnt-node migrate``, ``failover`` and ``evacuate``: the instances leave a node."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core import errors
from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_CONFIRMATION, EXIT_FAILURE, wrong_input
from ganeti_core.cli.instance.relocate import migration_mode
from ganeti_core.cli.instance.settings import MIGRATION_MODE, NO_RUNTIME_CHANGES, TARGET_NODE
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, Outcome, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_PRIMARIES, _SECONDARIES = ("pinst_list",), ("sinst_list",)


def _instances_on(session: Session, node: str) -> dict[str, list[str]]:
    """Give the primary and secondary instances of `node`.

    :raises errors.OpPrereqError: there is no such node
    """
    fields = [*_PRIMARIES, *_SECONDARIES]
    answer = session.client.query("node", fields, ["|", ["=", "name", node]])
    if not answer["data"]:
        raise errors.OpPrereqError(f"Node name {node} not found", errors.ECODE_NOENT)
    return {name: sorted(value or []) for name, (_, value)
            in zip(fields, answer["data"][0], strict=True)}


class _Leaving(NamedTuple):
    """Instances that leave a node, in which of its lists they stand, and what that is called."""

    node: str
    names: list[str]
    lists: tuple[str, ...]
    noun: str
    done: str


def _failures(session: Session, outcomes: list[Outcome], leaving: _Leaving) -> int:
    """Count what failed, and name the instances that are where they were."""
    failed = sum(not outcome.success for outcome in outcomes)
    if failed:
        now = _instances_on(session, leaving.node)
        on_node = {name for title in leaving.lists for name in now[title]}
        stayed = sorted(on_node.intersection(leaving.names))
        print(f"Still on node {leaving.node}: {', '.join(stayed) or 'none'}")
    return failed


def _failover(session: Session, arguments: list[str]) -> int:
    node, options = arguments[0], session.options
    names = _instances_on(session, node)["pinst_list"]
    if not names:
        print(f"No primary instances on node {node}, exiting.", file=sys.stderr)
        return 0
    if not options.force and not ask(f"Fail over instance(s) {', '.join(names)}?"):
        return EXIT_FAILURE
    jobs = JobSet(session)
    for name in names:
        jobs.add(name, session.opcode(
            "OP_INSTANCE_FAILOVER", instance_name=name,
            ignore_consistency=options.ignore_consistency, iallocator=options.iallocator))
    failed = _failures(session, jobs.finish(), _Leaving(
        node, names, _PRIMARIES, "failover", "failed over"))
    if failed:
        print(f"There were {failed} errors during the node failover: {failed} error(s) out of"
              f" {len(names)} instance(s).")
        return EXIT_FAILURE
    print(f"All {len(names)} instance(s) failed over successfully.")
    return 0


def _migrate(session: Session, arguments: list[str]) -> int:
    node, options = arguments[0], session.options
    names = _instances_on(session, node)["pinst_list"]
    if not names:
        print(f"No primary instances on node {node}, exiting.", file=sys.stderr)
        return 0
    mode = migration_mode(session)
    if not options.force and not ask(f"Migrate instance(s) {', '.join(names)}?"):
        return EXIT_CONFIRMATION
    result = submit(session, session.opcode(
        "OP_NODE_MIGRATE", node_name=node, mode=mode, iallocator=options.iallocator,
        target_node=options.dst_node, allow_runtime_changes=options.allow_runtime_chgs,
        ignore_ipolicy=options.ignore_ipolicy))
    return _follow_expanded(session, result, _Leaving(
        node, names, _PRIMARIES, "migration", "migrated"))


def _follow_expanded(session: Session, result: dict[str, Any], leaving: _Leaving) -> int:
    jobs = JobSet(session)
    jobs.add_expanded(result)
    failed = _failures(session, jobs.finish(), leaving)
    if failed:
        print(f"There were {failed} errors during the node {leaving.noun}.")
        return EXIT_FAILURE
    print(f"All instances {leaving.done} successfully.")
    return 0


def _evacuate(session: Session, arguments: list[str]) -> int:
    node, options = arguments[0], session.options
    if options.primary_only and options.secondary_only:
        raise wrong_input("Only one of the --primary-only and --secondary-only options can be"
                          " passed")
    if options.iallocator and options.dst_node:
        raise wrong_input("Specify either an iallocator (-I), or a new secondary (-n)")
    on_node = _instances_on(session, node)
    mode = ("primary-only" if options.primary_only else
            "secondary-only" if options.secondary_only else "all")
    lists = (_PRIMARIES if options.primary_only else
             _SECONDARIES if options.secondary_only else _PRIMARIES + _SECONDARIES)
    names = sorted({name for title in lists for name in on_node[title]})
    if not names:
        print(f"No instances to evacuate on node(s) {node}, exiting.", file=sys.stderr)
        return 0
    if not options.force and not ask(
            f"Relocate instance(s) {', '.join(names)} from node {node}?"):
        return EXIT_CONFIRMATION
    result = submit(session, session.opcode(
        "OP_NODE_EVACUATE", node_name=node, mode=mode, remote_node=options.dst_node,
        iallocator=options.iallocator, early_release=options.early_release,
        ignore_soft_errors=options.ignore_soft_errors or None))
    return _follow_expanded(session, result, _Leaving(
        node, names, lists, "evacuation", "evacuated"))


COMMANDS = {
    "failover": Command(_failover, "[-f] <node>", 1, 1, (
        opt.FORCE, opt.IALLOCATOR, opt.PRIORITY,
        opt.flag("--ignore-consistency", dest="ignore_consistency",
                 help="Go on though the other node's disks may be outdated"))),
    "migrate": Command(_migrate, "[-f] <node>", 1, 1, (
        opt.FORCE, *MIGRATION_MODE, TARGET_NODE, opt.IALLOCATOR, opt.PRIORITY,
        opt.IGNORE_IPOLICY, NO_RUNTIME_CHANGES, *opt.SUBMITTING)),
    "evacuate": Command(
        _evacuate, "[-f] {-I <iallocator> | -n <dst>} [-p | -s] [options...] <node>", 1, 1, (
            opt.FORCE, opt.IALLOCATOR, opt.PRIORITY, *opt.SUBMITTING,
            opt.flag("--ignore-soft-errors", dest="ignore_soft_errors",
                     help="Go on though the allocator sees small problems"),
            opt.value("-n", "--new-secondary", dest="dst_node", metavar="NODE",
                      help="The instances' new secondary node"),
            opt.flag("--early-release", dest="early_release",
                     help="Let go of the old secondary's locks early"),
            opt.flag("-p", "--primary-only", dest="primary_only",
                     help="Only instances whose primary node this is"),
            opt.flag("-s", "--secondary-only", dest="secondary_only",
                     help="Only instances whose secondary node this is"))),
}
