"""``gnt-instance info``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.document import Pairs, print_document, with_defaults
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.instance.disks import describe_disk
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import format_time
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _group(name: Any, uuid: Any) -> str:
    return f"{name} (UUID {uuid})"


def _state(instance: dict[str, Any]) -> str:
    state = f"configured to be {instance['config_state']}"
    if instance["run_state"]:
        state += f", actual state is {instance['run_state']}"
    return state


def _nodes(instance: dict[str, Any]) -> list[Pairs]:
    secondaries = [
        [(node, ""), ("group", _group(name, uuid))]
        for node, name, uuid in zip(instance["snodes"], instance["snodes_group_names"],
                                    instance["snodes_group_uuids"], strict=True)]
    return [
        [("primary", instance["pnode"]),
         ("group", _group(instance["pnode_group_name"], instance["pnode_group_uuid"]))],
        [("secondaries", secondaries)],
    ]


def _nic(index: int, nic: list[Any]) -> Pairs:
    name, uuid, address, mac, mode, link, vlan, network, network_info = nic
    if isinstance(network_info, dict):
        network = network_info.get("name", network)
    return [(f"nic/{index}", ""), ("MAC", mac), ("IP", address), ("mode", mode), ("link", link),
            ("vlan", vlan), ("network", network), ("UUID", uuid), ("name", name)]


def _backend(instance: dict[str, Any]) -> dict[str, Any]:
    """The maximum is also shown under its old name."""
    actual = dict(instance["be_actual"])
    if "maxmem" in actual:
        actual["memory"] = actual["maxmem"]
    return with_defaults(instance["be_instance"], actual)


def _document(instance: dict[str, Any]) -> Pairs:
    shown: Pairs = [
        ("Instance name", instance["name"]),
        ("UUID", instance["uuid"]),
        ("Serial number", instance["serial_no"]),
        ("Creation time", format_time(instance["ctime"])),
        ("Modification time", format_time(instance["mtime"])),
        ("State", _state(instance)),
        ("Nodes", _nodes(instance)),
        ("Operating system", instance["os"]),
        ("Operating system parameters", with_defaults(instance["os_instance"],
                                                      instance["os_actual"])),
        ("Allocated network port", instance["network_port"]),
        ("Hypervisor", instance["hypervisor"]),
    ]
    bind = instance["hv_actual"].get("vnc_bind_address")
    if bind and instance["network_port"]:
        shown.append(("console connection", f"vnc to {bind}:{instance['network_port']}"))
    return [
        *shown,
        ("Hypervisor parameters", with_defaults(instance["hv_instance"], instance["hv_actual"])),
        ("Back-end parameters", _backend(instance)),
        ("NICs", [_nic(index, nic) for index, nic in enumerate(instance["nics"])]),
        ("Disk template", instance["disk_template"]),
        ("Disks", [describe_disk(disk, f"disk/{index}")
                   for index, disk in enumerate(instance["disks"])]),
    ]


def _info(session: Session, arguments: list[str]) -> int:
    options = session.options
    if not arguments and not options.show_all:
        print("No instance selected. Please pass in --all if you want to query all instances.\n"
              "Note that this can take a long time on a big cluster.", file=sys.stderr)
        return EXIT_FAILURE
    if arguments and options.show_all:
        print("Cannot use --all if you specify instance names.", file=sys.stderr)
        return EXIT_FAILURE
    as_data = wants_data(session)
    result = submit(session, session.opcode("OP_INSTANCE_QUERY_DATA", instances=arguments,
                                            static=options.static, use_locking=False))
    if not result and not as_data:
        print("No instances.")
        return EXIT_FAILURE
    if as_data:
        print_data(list(result.values()), options.format)
        return 0
    print_document([_document(instance) for instance in result.values()])
    return 0


COMMANDS = {
    "info": Command(_info, "[-s] {--all | <instance-name>...}", 0, None, (
        opt.flag("-s", "--static", dest="static",
                 help="Do not ask the nodes"),
        opt.flag("--all", dest="show_all",
                 help="Show all instances"),
        opt.flag("--roman", dest="roman_integers", help="Accepted for compatibility, no effect"),
        opt.PRIORITY, FORMAT)),
}
