"""Commands for several instances at once: which ones, the question, the jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.options import OptionSpec, flag
from ganeti_core.cli.waiting import JobSet, all_succeeded
from ganeti_core.errors import ECODE_NOENT, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.cli.session import Session

_MODES = {
    "--instance": ("instances", "The arguments are names of instances (default)"),
    "--all": ("all", "All instances"),
    "--node": ("node", "Instances of these nodes"),
    "--primary": ("primary", "Instances whose primary node this is"),
    "--secondary": ("secondary", "Instances whose secondary node this is"),
    "--tags": ("tags", "Instances with one of these tags"),
    "--node-tags": ("node-tags", "Instances of nodes with one of these tags"),
    "--pri-node-tags": ("pri-node-tags", "The same for the primary node"),
    "--sec-node-tags": ("sec-node-tags", "The same for the secondary node"),
}

SELECTION: tuple[OptionSpec, ...] = (
    *(OptionSpec(name, dest="multi_mode", action="store_const", const=mode, help=help)
      for name, (mode, help) in _MODES.items()),
    flag("--force-multiple", dest="force_multi",
         help="Do not ask though several instances are affected"),
)


def select(session: Session, mode: str | None, arguments: list[str]) -> tuple[list[str], int]:
    """Give the names of the instances that `arguments` mean in `mode`, and an exit status.

    A name that is unknown is told, and makes the command fail in the end: what can be done for the
    others is done, as by Ganeti.

    :raises errors.OpPrereqError: none is selected
    """
    unknown: list[str] = []
    mode = mode or "instances"
    if mode == "all":
        if arguments:
            raise wrong_input("Cluster filter mode takes no arguments")
        names = _query(session, "instance", ["name"], None)
    elif not arguments:
        what = {"instances": "instance", "tags": "instance tag"}.get(
            mode, "node tag" if mode.endswith("node-tags") else "node")
        raise wrong_input(f"No {what} names passed")
    elif mode == "instances":
        names = _known(session, arguments)
        unknown = [one for one in arguments if one not in names and not _known(session, [one])]
    elif mode == "tags":
        names = _query(session, "instance", ["name"], _condition(mode, arguments))
    else:
        fields = ([] if mode.startswith("sec") else ["pinst_list"]) \
            + ([] if mode.startswith("pri") else ["sinst_list"])
        lists = _query(session, "node", fields, _condition(mode, arguments))
        names = sorted({name for one in lists for name in one or []})
    if not names:
        raise wrong_input("Selection filter does not match any instances")
    for name in unknown:
        print(f"Instance '{name}' does not exist", file=sys.stderr, flush=True)
    return names, EXIT_FAILURE if unknown else 0


def must_exist(session: Session, name: str) -> None:
    """Ask the master before the user is asked whether to go on.

    :raises errors.OpPrereqError: there is no such instance
    """
    if not _known(session, [name]):
        raise OpPrereqError(f"Instance '{name}' does not exist", ECODE_NOENT)


def _known(session: Session, names: list[str]) -> list[str]:
    """Those of the instances that there are."""
    # A query by a filter refuses all where one name is unknown.
    return [name for (name,) in session.client.query_instances(names, ["name"])]


def _condition(mode: str, arguments: list[str]) -> list[Any]:
    if mode.endswith("tags"):
        return ["|", *(["=[]", "tags", tag] for tag in arguments)]
    return ["|", *(["=", "name", name] for name in arguments)]


def _query(session: Session, what: str, fields: list[str], qfilter: list[Any] | None) -> list[Any]:
    answer = session.client.query(what, fields, qfilter)
    return [value for row in answer["data"] for status, value in row if status == 0]


def confirmed(names: list[str], action: str) -> bool:
    """Show what is affected and ask."""
    print(f"The {action} will operate on the following instances:")
    for name in names:
        print(f"  {name}")
    return ask("Continue?", "--force-multiple")


def for_each(session: Session, arguments: list[str], action: str,
             opcode_for: Callable[[str], dict[str, Any]]) -> int:
    """Run one job for every selected instance; several only after a question."""
    mode = session.option("multi_mode")
    names, status = select(session, mode, arguments)
    several = len(names) > 1 or mode not in (None, "instances")
    if several and not session.option("force_multi") and not confirmed(names, action):
        return EXIT_FAILURE
    jobs = JobSet(session, announce=several)
    for name in names:
        jobs.add(name, opcode_for(name))
    return all_succeeded(jobs.finish()) or status
