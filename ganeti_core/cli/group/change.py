"""``gnt-group add`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import convert, node_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _policy(session: Session) -> dict[str, Any]:
    options = session.options
    policy = {
        "minmax": options.ipolicy_bounds_specs,
        "disk-templates": options.ipolicy_disk_templates,
        "vcpu-ratio": options.ipolicy_vcpu_ratio,
        "spindle-ratio": options.ipolicy_spindle_ratio,
    }
    return {key: value for key, value in policy.items() if value is not None}


def _disk_parameters(session: Session) -> dict[str, Any] | None:
    given = session.options.diskparams
    if not given:
        return None
    known = session.client.query_cluster_info().get("diskparams", {})
    return {template: convert(parameters or {}, known.get(template, {}))
            for template, parameters in given}


def _add(session: Session, arguments: list[str]) -> int:
    options = session.options
    submit(session, session.opcode(
        "OP_GROUP_ADD", group_name=arguments[0], alloc_policy=options.alloc_policy,
        ndparams=node_parameters(session, options.ndparams),
        diskparams=_disk_parameters(session), ipolicy=_policy(session) or None,
        hv_state=dict(options.hv_state) or None, disk_state=dict(options.disk_state) or None))
    return 0


def _remove(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_GROUP_REMOVE", group_name=arguments[0]))
    return 0


_POLICY = (
    opt.value("--ipolicy-bounds-specs", dest="ipolicy_bounds_specs", type="bounds",
              help="Smallest and largest instance: min:key=n,.../max:key=n,...[//...]"),
    opt.value("--ipolicy-disk-templates", dest="ipolicy_disk_templates", type="list",
              help="Allowed disk templates, separated by commas"),
    opt.value("--ipolicy-vcpu-ratio", dest="ipolicy_vcpu_ratio", type="maybefloat",
              help="Most virtual processors per processor"),
    opt.value("--ipolicy-spindle-ratio", dest="ipolicy_spindle_ratio", type="maybefloat",
              help="Most instances per spindle"),
)

COMMANDS = {
    "add": Command(_add, "<group-name>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, opt.NDPARAMS, opt.DISK_PARAMS, opt.HV_STATE,
        opt.DISK_STATE, *_POLICY,
        opt.value("--alloc-policy", dest="alloc_policy", metavar="POLICY",
                  help="preferred, last_resort or unallocable"))),
    "remove": Command(_remove, "[--dry-run] <group>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
}
