"""``gnt-cluster epo``: switch many nodes off with their instances, and on again."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError
from ganeti_core.cli.named import rows_of
from ganeti_core.cli.node.power import DELAY, TIMEOUT
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import RS_NORMAL
from ganeti_core.cli.waiting import JobSet, submit
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection

    from ganeti_core.cli.session import Session

REACHABLE_SECONDS = 15 * 60
INTERVAL = 2.0
_FIELDS = ["name", "master", "pinst_list", "sinst_list", "powered", "offline"]


@dataclass
class _Concerned:
    """What is switched.

    :param nodes: all that are meant
    :param online: those that are not marked offline
    :param switched: those whose power is switched
    :param instances: by name the nodes, but the master, that each needs
    """

    nodes: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    switched: list[str] = field(default_factory=list)
    instances: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def _members(session: Session, groups: list[str]) -> list[str]:
    """Return the nodes of groups; of all groups without any name.

    :raises CommandError: there are none: to go on without a name would mean every node
    :raises errors.OpPrereqError: there is no such node group
    """
    names = [name for (members,) in rows_of(session, "group", groups, ["node_list"])
             for name in members]
    if not names:
        raise CommandError(f"There are no nodes in {', '.join(groups)}")
    return names


def _concerned(session: Session, arguments: list[str]) -> _Concerned:
    """:raises CommandError: the master would be switched off, or nothing is meant
    :raises errors.OpPrereqError: there is no such node, or node group
    """
    options, found = session.options, _Concerned()
    names = _members(session, arguments) if options.groups else arguments
    for name, master, first, second, powered, offline in rows_of(session, "node", names, _FIELDS):
        found.nodes.append(name)
        if not offline:
            found.online.append(name)
            for instance in (*first, *second):
                found.instances[instance] |= set() if master else {name}
        if master and options.on:
            continue  # it runs: this command does
        if master and not options.show_all:
            raise CommandError(
                f"{name} is the master node, please do a master-failover to another node not"
                " affected by the EPO or use --all if you intend to shutdown the whole cluster")
        if powered is None:
            print(f"Node {name} does not support out-of-band handling, it can not be handled in a"
                  " fully automated manner")
        elif powered == options.on:
            print(f"Node {name} is already in desired power state, skipping")
        elif master:
            print(f"Node {name} is the master and stays on: this command runs there")
        else:
            found.switched.append(name)
    return found


def _epo(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.groups and options.show_all:
        raise CommandError("Only one of --groups or --all are allowed")
    if arguments and options.show_all:
        raise CommandError("Arguments in combination with --all are not allowed")
    found = _concerned(session, arguments)
    if not options.force and not ask(
            f"The epo will operate on {len(found.nodes)} nodes: {', '.join(found.nodes)}."
            " Do you want to continue?"):
        return EXIT_FAILURE
    return _on(session, found) if options.on else _off(session, found)


def _change_instances(session: Session, names: Collection[str]) -> bool:
    """Start or stop instances; whether that worked for all."""
    options = session.options
    doing, done, trying = (("startup", "started", "starting") if options.on
                           else ("shutdown", "stopped", "stopping"))
    jobs = JobSet(session)
    for name in names:
        print(f"Submit {doing} of instance {name}")
        jobs.add(name, session.opcode("OP_INSTANCE_STARTUP", instance_name=name) if options.on
                 else session.opcode("OP_INSTANCE_SHUTDOWN", instance_name=name, no_remember=True,
                                     timeout=options.shutdown_timeout))
    outcomes = jobs.finish()
    failed = sum(not outcome.success for outcome in outcomes)
    if failed:
        print(f"There were errors while {trying} instances:\n{failed} error(s) out of"
              f" {len(outcomes)} instance(s)", file=sys.stderr)
        return False
    print(f"All instances have been {done} successfully")
    return True


def _switch(session: Session, nodes: list[str], command: str) -> bool:
    """Switch the power of nodes; whether that worked for all."""
    result = submit(session, session.opcode(
        "OP_OOB_COMMAND", node_names=nodes, command=command, ignore_status=True,
        timeout=session.options.oob_timeout, power_delay=session.options.power_delay))
    failed = [name for (_, name), (status, _) in result if status != RS_NORMAL]
    for name in failed:
        print(f"There was a problem changing power for {name}, please investigate",
              file=sys.stderr)
    return not failed


def _off(session: Session, found: _Concerned) -> int:
    if not _change_instances(session, _running(session, found)):
        raise CommandError("Please investigate and stop instances manually before continuing")
    if found.switched and not _switch(session, found.switched, "power-off"):
        return EXIT_FAILURE
    return 0


def _running(session: Session, found: _Concerned) -> list[str]:
    """The instances concerned that are meant to run: whether one does is not asked of its node."""
    rows = session.client.query_instances(sorted(found.instances), ["name", "admin_state"]) if (
        found.instances) else []
    return [name for name, state in rows if state == "up"]


def _on(session: Session, found: _Concerned) -> int:
    if found.switched and not _switch(session, found.switched, "power-on"):
        print("Not all nodes seem to get back up, investigate and start manually if needed",
              file=sys.stderr)
    print("Waiting until all nodes are available again", flush=True)
    waiting = {name: found.instances[name] for name in _running(session, found)}
    if not _start_as_nodes_come(session, found.online, waiting):
        raise CommandError("Please investigate and start stopped instances manually")
    return 0


def _start_as_nodes_come(
    session: Session, nodes: list[str], waiting: dict[str, set[str]]
) -> bool:
    """Start each instance as soon as all its nodes answer; whether all was well."""
    deadline = time.monotonic() + REACHABLE_SECONDS
    fine, down = True, set(nodes)
    while True:
        back = {name for name in down if _answers(session, name)}
        for name in sorted(back):
            print(f"Node {name} became available", flush=True)
        down -= back
        ready = [name for name, needed in waiting.items() if not needed & down]
        for name in ready:
            del waiting[name]
        if ready:
            fine = _change_instances(session, ready) and fine
        if not down:
            return fine
        if time.monotonic() >= deadline:
            print("Time exceeded while waiting for nodes to become reachable again:\n  - "
                  + "\n  - ".join(sorted(down)), file=sys.stderr)
            return False
        time.sleep(INTERVAL)


def _answers(session: Session, name: str) -> bool:
    """Whether a node's daemon answers; nodes marked offline are not asked, and never do."""
    answer = session.client.query("node", ["bootid"], ["=", "name", name])
    return any(status == RS_NORMAL for ((status, _),) in answer["data"])


COMMANDS = {
    "epo": Command(_epo, "[<opts>...] [args]", 0, None, (
        opt.FORCE, TIMEOUT, opt.SHUTDOWN_TIMEOUT, DELAY,
        opt.flag("--on", dest="on", help="Switch nodes on again; without it they go off"),
        opt.flag("--groups", dest="groups", help="The arguments are node groups"),
        opt.flag("--all", dest="show_all", help="All nodes of the cluster"))),
}
