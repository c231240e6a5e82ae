"""The options of commands, and how their values are read.

`optparse` and not `argparse`: scripts of administrators rely on what it does. A value may begin
with a dash (``--net -1:remove``), options end at the first argument, a wrong one is told as
``option -s: Unknown unit: x``, and a later use of an option is one entry of a list.
"""

from __future__ import annotations

import copy
import optparse
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import values
from ganeti_core.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

PRIORITIES = {"low": 10, "normal": 0, "high": -10}


def _checked(read: Callable[[str], Any]) -> Callable[[optparse.Option, str, str], Any]:
    def check(_option: optparse.Option, name: str, text: str) -> Any:
        try:
            return read(text)
        except ValueError as exc:
            raise optparse.OptionValueError(f"option {name}: {exc}") from exc
    return check


def _read_bool(text: str) -> bool:
    """A wrong yes/no word is told like a wrong parameter, not like wrong use."""
    try:
        return values.parse_bool(text)
    except ValueError as exc:
        raise ParameterError(str(exc)) from exc


_READERS: dict[str, Callable[[str], Any]] = {
    "keyval": values.parse_key_values,
    "identkeyval": values.parse_identified,
    "natural": values.parse_natural,
    "positive": values.parse_positive,
    "unit": values.parse_size,
    "bool": _read_bool,
    "list": values.parse_list,
    "float": values.parse_number,
    "maybefloat": values.parse_ratio,
    "json": values.parse_json,
    "filteraction": values.parse_filter_action,
    "bounds": values.parse_bounds,
}


class CliOption(optparse.Option):
    """An option whose value may have one of the types of `values.py`."""

    TYPES = (*optparse.Option.TYPES, *_READERS)
    TYPE_CHECKER = {
        **optparse.Option.TYPE_CHECKER,
        **{name: _checked(reader) for name, reader in _READERS.items()},
    }


class OptionSpec:
    """An option as written down in a command: made into a `CliOption` when it is parsed.

    An `optparse.Option` is changed by the parser that takes it, and a default that is a list by
    the option's first use: neither can be a constant.
    """

    def __init__(self, *names: str, **attributes: Any) -> None:
        self.names = names
        self.attributes = attributes

    def make(self) -> CliOption:
        return CliOption(*self.names, **copy.deepcopy(self.attributes))


def flag(*names: str, dest: str, help: str, off: bool = False) -> OptionSpec:
    """An option without a value; with `off` it is true until it is given."""
    return OptionSpec(*names, dest=dest, default=off, help=help,
                      action="store_false" if off else "store_true")


def value(*names: str, dest: str, help: str, type: str = "string", **more: Any) -> OptionSpec:
    """An option with a value of `type`, None until it is given."""
    return OptionSpec(*names, dest=dest, type=type, help=help, **more)


def choice(*names: str, dest: str, help: str, choices: list[str], **more: Any) -> OptionSpec:
    return OptionSpec(*names, dest=dest, type="choice", choices=choices, help=help, **more)


def repeated(*names: str, dest: str, help: str, type: str = "identkeyval",
             **more: Any) -> OptionSpec:
    """An option that may be given several times."""
    return OptionSpec(*names, dest=dest, action="append", default=[], type=type, help=help, **more)


DEBUG = OptionSpec("-d", "--debug", dest="debug", action="count", default=0,
                   help="Log and show more")
REASON = value("--reason", dest="reason", help="Why this is done; kept with the job")
COMMON = (DEBUG, REASON)

PRIORITY = choice("--priority", dest="priority", metavar="low|normal|high",
                  choices=list(PRIORITIES), help="Priority of the job")
DRY_RUN = flag("--dry-run", dest="dry_run",
               help="Only check whether it could be done; change nothing")
SUBMIT = flag("--submit", dest="submit_only",
              help="Print the job's number and do not wait for it")
PRINT_JOBID = flag("--print-jobid", dest="print_jobid",
                   help="Print the job's number as the first line of stdout")
SUBMITTING = (SUBMIT, PRINT_JOBID)

FORCE = flag("-f", "--force", dest="force", help="Do not ask, and do it against doubts")
CONFIRM = flag("--yes-do-it", dest="yes_do_it", help="Do not ask")
VERBOSE = flag("-v", "--verbose", dest="verbose", help="Show more")

NO_HEADERS = flag("--no-headers", dest="no_headers", help="Leave out the titles of the columns")
SEPARATOR = value("--separator", dest="separator",
                  help="Put this between the columns instead of aligning them")
UNITS = choice("--units", dest="units", choices=["h", "m", "g", "t"],
               help="Unit of sizes: h chooses for people, or m, g, t")
OUTPUT = value("-o", "--output", dest="output", metavar="FIELDS",
               help="Fields to show, separated by commas; a leading + adds to the usual ones")
FILTER = flag("-F", "--filter", dest="force_filter",
              help="The argument is a filter, not names")

IALLOCATOR = value("-I", "--iallocator", dest="iallocator", metavar="<NAME>",
                   help="Let this instance allocator choose nodes")
NODE_GROUP = value("-g", "--node-group", dest="nodegroup", metavar="<nodegroup>",
                   help="Name or UUID of a node group")
SHUTDOWN_TIMEOUT = value("--shutdown-timeout", dest="shutdown_timeout", type="natural", default=120,
                         help="Seconds that the instance has to shut down")
IGNORE_IPOLICY = flag("--ignore-ipolicy", dest="ignore_ipolicy",
                      help="Go on though the instance policy is violated")
BEPARAMS = value("-B", "--backend-parameters", dest="beparams", type="keyval", default={},
                 help="Memory, processors and the like: key=value,...")
HYPERVISOR_DEFAULTS = repeated("-H", "--hypervisor-parameters", dest="hvparams",
                               help="Defaults for a hypervisor: name:key=value,...")
NDPARAMS = value("--node-parameters", dest="ndparams", type="keyval",
                 help="Parameters of nodes: key=value,...")
HV_STATE = repeated("--hypervisor-state", dest="hv_state",
                    help="Static hypervisor state: hypervisor:key=value,...")
DISK_STATE = repeated("--disk-state", dest="disk_state",
                      help="Static storage state: type/name:key=value,...")
DISK_PARAMS = repeated("-D", "--disk-parameters", dest="diskparams",
                       help="Parameters of a disk template: template:key=value,...")
