"""``gnt-instance modify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.devices import changes
from ganeti_core.cli.failure import CommandError, wrong_input
from ganeti_core.cli.instance.settings import (
    COMMUNICATION,
    DISK_TEMPLATE,
    DISKS,
    FILE_DRIVER,
    FILE_STORAGE_DIR,
    FORCE_VARIANT,
    NICS,
    NO_CONFLICTS,
    NO_WAIT,
    OS_PARAMS,
    OS_PRIVATE,
    OS_TYPE,
)
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import backend_parameters, hypervisor_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_REMINDER = ("Please don't forget that most parameters take effect only at the next (re)start of"
             " the instance initiated by ganeti; restarting from within the instance will not be"
             " enough.")


def _changes(session: Session) -> dict[str, Any]:
    """Collect what is to be changed; empty where nothing was given."""
    options = session.options
    if options.offline_inst and options.online_inst:
        raise wrong_input("--offline and --online exclude each other")
    offline = True if options.offline_inst else False if options.online_inst else None
    if options.disk_template and not (options.node or options.iallocator):
        needs = session.cluster_info()["disk_template_needs"].get(options.disk_template, {})
        if needs.get("mirrored"):
            raise wrong_input("Changing the disk template to a mirrored one requires specifying a"
                              " secondary node")
    found = {
        "beparams": backend_parameters(session, options.beparams),
        "hvparams": hypervisor_parameters(session, options.hvparams),
        "nics": changes("NIC", options.nics),
        "disks": changes("disk", options.disks),
        "disk_template": options.disk_template,
        "os_name": options.os,
        "osparams": options.osparams,
        "osparams_private": options.osparams_private,
        "runtime_mem": options.runtime_mem,
        "pnode": options.new_primary_node,
        "instance_communication": options.instance_communication,
    }
    asked = {name: value for name, value in found.items() if value not in (None, {}, [], "")}
    return asked if offline is None else {**asked, "offline": offline}


def _modify(session: Session, arguments: list[str]) -> int:
    options = session.options
    asked = _changes(session)
    # Alone they change nothing, which the master says with their names.
    conversion = {
        "remote_node": options.node,
        "iallocator": options.iallocator,
        "ext_params": options.ext_params or None,
        "file_driver": options.file_driver,
        "file_storage_dir": options.file_storage_dir,
    }
    if not asked and not any(conversion.values()):
        raise CommandError("Please give at least one of the parameters.")
    result = submit(session, session.opcode(
        "OP_INSTANCE_SET_PARAMS", instance_name=arguments[0], **asked, **conversion,
        force=options.force,
        force_variant=options.force_variant, wait_for_sync=options.wait_for_sync,
        hotplug=options.hotplug or None, hotplug_if_possible=options.hotplug_if_possible or None,
        conflicts_check=options.conflicts_check, ignore_ipolicy=options.ignore_ipolicy))
    if result:
        print(f"Modified instance {arguments[0]}")
        for name, value in result:
            print(f" - {name:<5} -> {value}")
        print(_REMINDER)
    return 0


COMMANDS = {
    "modify": Command(_modify, "<instance-name>", 1, 1, (
        opt.BEPARAMS, DISKS, NICS, opt.FORCE, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY,
        DISK_TEMPLATE, opt.IALLOCATOR, OS_TYPE, FORCE_VARIANT, OS_PARAMS, OS_PRIVATE, NO_WAIT,
        opt.IGNORE_IPOLICY, NO_CONFLICTS, COMMUNICATION, FILE_DRIVER, FILE_STORAGE_DIR,
        opt.value("-H", "--hypervisor-parameters", dest="hvparams", type="keyval", default={},
                  help="Parameters of the hypervisor: key=value,..."),
        opt.value("-n", "--node", dest="node", metavar="<node>",
                  help="Secondary node, when disks become mirrored"),
        opt.flag("--offline", dest="offline_inst",
                 help="Mark a stopped instance as offline"),
        opt.flag("--online", dest="online_inst",
                 help="Mark an offline instance as stopped"),
        opt.value("-m", "--runtime-memory", dest="runtime_mem", type="unit", metavar="<size>",
                  help="Memory of the running instance"),
        opt.value("--new-primary", dest="new_primary_node", metavar="<node>",
                  help="New primary node, where the disks were moved by hand"),
        opt.flag("--hotplug", dest="hotplug",
                 help="Change the devices of the running instance too"),
        opt.flag("--hotplug-if-possible", dest="hotplug_if_possible",
                 help="The same, where the hypervisor can"),
        opt.value("-e", "--ext-params", dest="ext_params", type="keyval", default={},
                  help="Parameters of the storage provider, for a new disk template"))),
}
