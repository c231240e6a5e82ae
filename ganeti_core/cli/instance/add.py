"""``gnt-instance add``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.devices import new_disks, new_nics
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.instance.settings import (
    CREATION_OPTIONS,
    DISK_TEMPLATE,
    OS_SECRET,
    PLACEMENT,
)
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import backend_parameters, hypervisor_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

EXPLAIN = opt.flag("--explain", dest="explain",
                   help="Only tell how the allocator sees every node; change nothing")
SAME_NAME = (
    "disk_template", "conflicts_check", "ip_check", "name_check", "wait_for_sync",
    "file_storage_dir", "file_driver", "iallocator", "osparams", "osparams_private",
    "osparams_secret", "opportunistic_locking", "start", "force_variant", "no_install",
    "ignore_ipolicy", "instance_communication", "helper_startup_timeout",
    "helper_shutdown_timeout",
)
"""Options whose value goes into the opcode's field of the same name."""


def _has_no_disks(session: Session, template: str | None) -> bool:
    """Whether no disks are asked for, and the template is for instances without.

    One that does not exist is the first mistake to name, before its missing disks.

    :raises errors.OpPrereqError: there is no such disk template
    """
    if template is None or session.options.disks or session.options.sd_size is not None:
        return False
    known = session.cluster_info()["disk_template_needs"]
    if template not in known:
        raise wrong_input(f"Unknown disk template '{template}' (there are: {', '.join(known)})")
    return bool(known[template]["no_disks"])


def _add(session: Session, arguments: list[str]) -> int:
    options = session.options
    hypervisor, hvparams = options.hypervisor or (None, {})
    pnode, _, snode = (options.node or "").partition(":")
    fields = {name: session.option(name) for name in SAME_NAME}
    # Only on demand: a core without these features refuses them.
    fields |= {name: True for name in ("forthcoming", "commit") if session.option(name)}
    if options.explain:
        fields |= {"explain": True, "dry_run": True}
    submit(session, session.opcode(
        "OP_INSTANCE_CREATE",
        instance_name=arguments[0],
        mode="create",
        disks=new_disks(options.disks, options.sd_size,
                        none_at_all=_has_no_disks(session, options.disk_template)),
        nics=new_nics(options.nics, options.no_nics),
        pnode=pnode or None,
        snode=snode or None,
        group_name=options.nodegroup,
        os_type=options.os,
        hypervisor=hypervisor,
        hvparams=hypervisor_parameters(session, hvparams or {}, hypervisor),
        beparams=backend_parameters(session, options.beparams),
        tags=options.tags.split(",") if options.tags else None,
        **fields))
    return 0


COMMANDS = {
    "add": Command(
        _add, "[...] -t disk-type -n node[:secondary-node] -o os-type <instance-name>", 1, 1,
        (*CREATION_OPTIONS, DISK_TEMPLATE, *PLACEMENT, *OS_SECRET, *opt.SUBMITTING, opt.DRY_RUN,
         EXPLAIN, opt.PRIORITY)),
}
