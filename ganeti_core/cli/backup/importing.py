"""``gnt-backup import``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.devices import new_disks, new_nics
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.instance.add import SAME_NAME
from ganeti_core.cli.instance.settings import (
    COMMON_CREATION_OPTIONS,
    DISK_TEMPLATE,
    HELPER_TIMEOUTS,
    OS_PARAMETERS,
    PLACEMENT,
)
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import backend_parameters, hypervisor_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _import(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.no_nics:
        raise wrong_input("--no-nics cannot be used here: without --net the exported network cards "
                          "are taken; gnt-instance modify --net remove takes one away")
    hypervisor, hvparams = options.hypervisor or (None, {})
    pnode, _, snode = (options.node or "").partition(":")
    fields = {name: session.option(name) for name in SAME_NAME}
    own_disks = bool(options.disks) or options.sd_size is not None
    submit(session, session.opcode(
        "OP_INSTANCE_CREATE",
        instance_name=arguments[0],
        mode="import",
        disks=new_disks(options.disks, options.sd_size) if own_disks else [],
        nics=new_nics(options.nics, False) if options.nics else [],
        pnode=pnode or None,
        snode=snode or None,
        group_name=options.nodegroup,
        hypervisor=hypervisor,
        hvparams=hypervisor_parameters(session, hvparams or {}, hypervisor),
        beparams=backend_parameters(session, options.beparams),
        tags=options.tags.split(",") if options.tags else None,
        src_node=options.src_node,
        src_path=options.src_dir,
        identify_defaults=options.identify_defaults,
        compress=options.compress,
        **{**fields, "start": False}))
    return 0


COMMANDS = {
    "import": Command(
        _import, "[...] -t disk-type -n node[:secondary-node] <instance-name>", 1, 1,
        (*COMMON_CREATION_OPTIONS, DISK_TEMPLATE, *PLACEMENT, *OS_PARAMETERS, *opt.SUBMITTING,
         opt.DRY_RUN, opt.PRIORITY,
         opt.flag("--identify-defaults", dest="identify_defaults",
                  help="Leave out the parameters that are the cluster's defaults, so that they "
                       "follow these later"),
         opt.value("--src-dir", dest="src_dir", metavar="<dir>",
                   help="The export: its name, or its folder below /srv/ganeti/export"),
         opt.value("--src-node", dest="src_node", metavar="<node>",
                   help="The node that has the export"),
         opt.value("--compress", dest="compress", default="none",
                   help="How the data are compressed on their way: none, or one of the cluster's "
                        "compression tools"),
         *HELPER_TIMEOUTS)),
}
