"""Commands that change networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError, wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import convert
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

def _add(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.network is None:
        raise wrong_input("The --network option must be given")
    submit(session, session.opcode(
        "OP_NETWORK_ADD", network_name=arguments[0], network=options.network,
        gateway=options.gateway, network6=options.network6, gateway6=options.gateway6,
        mac_prefix=options.mac_prefix, add_reserved_ips=options.add_reserved_ips,
        conflicts_check=options.conflicts_check,
        tags=options.tags.split(",") if options.tags is not None else []))
    return 0


def _modify(session: Session, arguments: list[str]) -> int:
    changes = {name: session.option(name) for name in (
        "gateway", "add_reserved_ips", "remove_reserved_ips", "mac_prefix", "gateway6",
        "network6")}
    if all(value is None for value in changes.values()):
        raise CommandError("Please give at least one of the parameters.")
    submit(session, session.opcode("OP_NETWORK_SET_PARAMS", network_name=arguments[0], **changes))
    return 0


def _remove(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_NETWORK_REMOVE", network_name=arguments[0],
                                   force=session.options.force))
    return 0


def _groups(session: Session, named: list[str]) -> list[str]:
    """The groups named, or all there are."""
    return named or [uuid for (uuid,) in session.client.query_groups([], ["uuid"])]


def _connect(session: Session, arguments: list[str]) -> int:
    from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS as UNSET

    name, *named = arguments
    # As in Ganeti, what is not given does not follow the cluster's settings for cards.
    params = {**UNSET, **convert(session.options.nicparams, UNSET)}
    for group in _groups(session, named):
        submit(session, session.opcode(
            "OP_NETWORK_CONNECT", group_name=group, network_name=name,
            network_mode=params["mode"], network_link=params["link"],
            network_vlan=params["vlan"], conflicts_check=session.options.conflicts_check))
    return 0


def _disconnect(session: Session, arguments: list[str]) -> int:
    name, *named = arguments
    for group in _groups(session, named):
        submit(session, session.opcode("OP_NETWORK_DISCONNECT", group_name=group,
                                       network_name=name))
    return 0


_ADDRESSES = (
    opt.value("--gateway", dest="gateway", help="The network's IPv4 gateway"),
    opt.value("--add-reserved-ips", dest="add_reserved_ips", type="list", metavar="IP[,IP...]",
              help="Addresses that no instance may get"),
    opt.value("-m", "--mac-prefix", dest="mac_prefix", metavar="PREFIX",
              help="How the MACs of cards on the network begin"),
    opt.value("--network6", dest="network6", help="The IPv6 network, as ADDRESS/LENGTH"),
    opt.value("--gateway6", dest="gateway6", help="The network's IPv6 gateway"),
)
_NO_CONFLICTS_CHECK = opt.flag("--no-conflicts-check", dest="conflicts_check", off=True,
                               help="Do not look whether addresses are in use already")

COMMANDS = {
    "add": Command(_add, "<network-name>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, *_ADDRESSES, _NO_CONFLICTS_CHECK,
        opt.value("--network", dest="network", help="The IPv4 network, as ADDRESS/LENGTH"),
        opt.value("--tags", dest="tags", help="Tags, separated by commas"))),
    "modify": Command(_modify, "<network>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, *_ADDRESSES,
        opt.value("--remove-reserved-ips", dest="remove_reserved_ips", type="list",
                  metavar="IP[,IP...]", help="Reserved addresses that instances may get"))),
    "remove": Command(_remove, "[--dry-run] <network>", 1, 1, (
        opt.FORCE, opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
    "connect": Command(_connect, "<network> [<group>...]", 1, None, (
        _NO_CONFLICTS_CHECK, opt.PRIORITY,
        opt.value("-N", "--nic-parameters", dest="nicparams", type="keyval", default={},
                  help="How the network reaches the nodes: mode=...,link=...,vlan=..."))),
    "disconnect": Command(_disconnect, "<network> [<group>...]", 1, None, (opt.PRIORITY,)),
}
