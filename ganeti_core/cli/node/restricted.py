"""``gnt-node restricted-command``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.online import online_nodes
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _run(session: Session, arguments: list[str]) -> int:
    command, *names = arguments
    options = session.options
    if not names and options.nodegroup is None:
        raise wrong_input("Node group or node names must be given")
    nodes = [host.name for host in online_nodes(session, names, options.nodegroup)]
    result = submit(session, session.opcode(
        "OP_RESTRICTED_COMMAND", command=command, nodes=nodes, use_locking=options.do_locking))
    for node, (fine, text) in zip(nodes, result, strict=True):
        print("-" * 48)
        if fine and options.show_machine_names:
            for line in text.splitlines():
                print(f"{node}: {line}")
        else:
            print(f"Node: {node}\n{text}" if fine else text)
    return 0 if all(fine for fine, _ in result) else EXIT_FAILURE


COMMANDS = {
    "restricted-command": Command(_run, "<command> <node-name>...", 1, None, (
        opt.PRIORITY, *opt.SUBMITTING, opt.NODE_GROUP,
        opt.flag("--sync", dest="do_locking", help="Wait until no job works on the nodes"),
        opt.flag("-M", "--show-machine-names", dest="show_machine_names",
                 help="Put the node's name before every line"))),
}
