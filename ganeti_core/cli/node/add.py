"""``gnt-node add``: a host joins the cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.node.modify import CAPABLE, SECONDARY_IP
from ganeti_core.cli.node.preflight import KEY_CHECK, findings_of, said
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import disk_state, node_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _known_as(session: Session, name: str) -> str | None:
    """Give the full name of the node `name`, None where the cluster has no such node."""
    answer = session.client.query("node", ["name"], None)
    names = [row[0][1] for row in answer["data"]]
    matching = [one for one in names if one == name] or [
        one for one in names if one.startswith(f"{name}.")]
    return matching[0] if len(matching) == 1 else None


def _add(session: Session, arguments: list[str]) -> int:
    name, options = arguments[0], session.options
    known = _known_as(session, name)
    if known and not options.readd:
        raise CommandError(f"Node {name} already in the cluster (as {known}) - please retry with"
                           " '--readd'")
    if options.readd and not known:
        raise CommandError(f"Node {name} not in the cluster - please retry without '--readd'")
    from ganeti_core.bootstrap.join import prepare_node

    if options.preflight:
        _look_at(session, known or name)
    prepare_node(session.paths, known or name, session.client.node_enrol_token(known),
                 vars(options))
    submit(session, session.opcode(
        "OP_NODE_ADD", node_name=known or name, readd=options.readd, group=options.nodegroup,
        secondary_ip=options.secondary_ip, master_capable=options.master_capable,
        vm_capable=options.vm_capable, node_setup=options.node_setup,
        ndparams=node_parameters(session, options.ndparams),
        hv_state=dict(options.hv_state) or None, disk_state=disk_state(options.disk_state) or None))
    return 0


def _look_at(session: Session, name: str) -> None:
    """Refuse a host that cannot be a node, before anything is changed there.

    :raises CommandError: with what is wrong and what puts it right
    """
    from ganeti_core.bootstrap.join import is_enrolled
    from ganeti_core.resolve import resolve

    host = resolve(session.paths, name)
    if is_enrolled(session.paths, host.name, host.address):
        return
    found = findings_of(
        session, name, is_known=session.options.force_join or session.options.readd)
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise CommandError("\n".join([
            f"The host {name} cannot be a node yet:", *said(name, errors),
            "Put that right, or give --no-preflight"]))
    for line in said(name, found):
        print(line, file=sys.stderr)


COMMANDS = {
    "add": Command(
        _add, "[-s ip] [--readd] [--no-ssh-key-check] [--force-join] [--no-node-setup]"
              " [--verbose] [--network] <node-name>", 1, 1, (
            SECONDARY_IP, opt.NODE_GROUP, opt.VERBOSE, opt.PRIORITY, *CAPABLE, opt.NDPARAMS,
            opt.HV_STATE, opt.DISK_STATE,
            opt.flag("--readd", dest="readd",
                     help="The node is known, and its host was made anew"),
            KEY_CHECK,
            opt.flag("--no-preflight", dest="preflight", off=True,
                     help="Do not look first whether the host can be a node"),
            opt.flag("--force-join", dest="force_join",
                     help="Take in a host that seems to belong to a cluster"),
            opt.flag("--no-node-setup", dest="node_setup", off=True,
                     help="Do not prepare the host by ssh"))),
}
