"""``gnt-debug iallocator``: what an allocator is asked, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.session import Command
from ganeti_core.cli.values import parse_size
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _disks(text: str) -> list[dict[str, Any]]:
    """Read sizes, separated by commas.

    :raises CommandError: one is no size
    """
    try:
        return [{"size": parse_size(size), "mode": "rw"} for size in text.split(",")]
    except ValueError as exc:
        raise CommandError(f"Invalid disks parameter '{text}': {exc}") from exc


def _nics(text: str) -> list[dict[str, Any]]:
    """Read cards as ``mac/ip/bridge``; what is empty or left out is not known."""
    rows = [[part or None for part in card.split("/")] for card in text.split(",")]
    return [dict(zip(("mac", "ip", "bridge"), [*row, None, None], strict=False)) for row in rows]


def _try(session: Session, arguments: list[str]) -> int:
    options = session.options
    same = {name: session.option(name) for name in (
        "mode", "memory", "disk_template", "os", "vcpus", "direction", "iallocator", "evac_mode",
        "target_groups", "spindle_use", "count")}
    result = submit(session, session.opcode(
        "OP_TEST_ALLOCATOR", name=arguments[0], instances=arguments, disks=_disks(options.disks),
        nics=_nics(options.nics), tags=options.tags.split(",") if options.tags else [], **same))
    print(result)
    return 0


COMMANDS = {
    "iallocator": Command(_try, "{<opts>...} <instance-name>", 1, None, (
        opt.choice("--dir", dest="direction", choices=["in", "out"], default="in",
                   help="in: what the allocator is asked; out: what it says"),
        opt.IALLOCATOR,
        opt.choice("-m", "--mode", dest="mode", default="relocate", metavar="MODE",
                   choices=["allocate", "relocate", "node-evacuate", "change-group",
                            "multi-allocate"],
                   help="allocate, relocate, node-evacuate, change-group or multi-allocate"),
        opt.value("--memory", dest="memory", type="unit", default=128,
                  help="Memory of the instance"),
        opt.value("--disks", dest="disks", default="4096,4096",
                  help="Sizes of its disks, separated by commas"),
        opt.value("-t", "--disk-template", dest="disk_template", metavar="<template>",
                  help="Its disk template"),
        opt.value("--nics", dest="nics", default="00:11:22:33:44:55",
                  help="Its network cards, mac/ip/bridge each, separated by commas"),
        opt.value("-o", "--os-type", dest="os", metavar="<os>", help="Its operating system"),
        opt.value("-p", "--vcpus", dest="vcpus", type="natural", default=1,
                  help="Its processors"),
        opt.value("--tags", dest="tags", help="Its tags, separated by commas"),
        opt.choice("--evac-mode", dest="evac_mode", default="all",
                   choices=["all", "primary-only", "secondary-only"],
                   help="Which instances leave: all, primary-only or secondary-only"),
        opt.repeated("--target-groups", dest="target_groups", type="string",
                     help="A node group that the instances may go to"),
        opt.value("--spindle-use", dest="spindle_use", type="natural", default=1,
                  help="Its share of spindles"),
        opt.value("--count", dest="count", type="natural", default=2,
                  help="How many instances to allocate"),
        opt.DRY_RUN, opt.PRIORITY)),
}
