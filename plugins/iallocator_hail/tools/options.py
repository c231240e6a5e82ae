"""All options of the placement programs: their help, and what they set."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from ..errors import PlacementError
from ..formats.haskell import read_float, read_int, show_string
from ..records import TEMPLATES, Spec
from .getopt import Option
from .settings import Settings

DEFAULT_SOCKET: Final = os.path.join(
    os.environ.get("GANETI_ROOT") or "/", "var/run/ganeti/socket/ganeti-query")
"""Where the master of this host, or of the cluster below ``GANETI_ROOT``, listens."""
DEFAULT_FIELDS: Final = ""

Apply = Callable[[Settings, str | None], None]


def _set(name: str, value: object) -> Apply:
    return lambda settings, _: setattr(settings, name, value)


def _text(name: str) -> Apply:
    return lambda settings, text: setattr(settings, name, text or "")


def _names(name: str) -> Apply:
    def apply(settings: Settings, text: str | None) -> None:
        setattr(settings, name, tuple(text.split(",")) if text else ())

    return apply


def _more(name: str, *, first: bool = False) -> Apply:
    def apply(settings: Settings, text: str | None) -> None:
        getattr(settings, name).insert(0 if first else len(getattr(settings, name)), text)

    return apply


def _real(name: str, what: str) -> Apply:
    return lambda settings, text: setattr(settings, name, read_float(what, text or ""))


def _whole(name: str, what: str) -> Apply:
    return lambda settings, text: setattr(settings, name, read_int(what, text or ""))


def _yes_no(name: str) -> Apply:
    def apply(settings: Settings, text: str | None) -> None:
        if text not in (None, "yes", "no"):
            raise PlacementError(f"Invalid choice '{text}', pass one of 'yes' or 'no'")
        setattr(settings, name, text != "no")

    return apply


def _fields(settings: Settings, text: str | None) -> None:
    settings.print_nodes = text or ""


def _louder(step: int) -> Apply:
    def apply(settings: Settings, _: str | None) -> None:
        settings.verbosity += step

    return apply


def _cpu_ratio(settings: Settings, text: str | None) -> None:
    settings.max_cpu = read_float("parsing max-cpu", text or "")
    if settings.max_cpu < 0:
        raise PlacementError("Invalid value of the max-cpu ratio, expected >0")


def _spindle_use(settings: Settings, text: str | None) -> None:
    settings.spindle_use = read_int("parsing spindle-use", text or "")
    if settings.spindle_use < 0:
        raise PlacementError("Invalid value of the spindle-use (expected >= 0)")


def _priority(settings: Settings, text: str | None) -> None:
    if text not in ("low", "normal", "high"):
        raise PlacementError(f"Unknown priority '{text}'")
    settings.priority = text


def _template(settings: Settings, text: str | None) -> None:
    if text not in TEMPLATES:
        shown = show_string(text or "")
        raise PlacementError(f"Invalid string value for type DiskTemplate: {shown}")
    settings.disk_template = text


def _spec(name: str, what: str) -> Apply:
    def apply(settings: Settings, text: str | None) -> None:
        setattr(settings, name, read_spec(what, text or ""))

    return apply


def read_spec(what: str, text: str) -> Spec:
    """The size that is written as ``disk,ram,cpu`` or ``disk,ram,cpu,spindles``.

    :raises PlacementError: it is written otherwise
    """
    columns = text.split(",")
    if len(columns) not in (3, 4):
        raise PlacementError(f"Invalid {what} specification: '{text}', expected disk,ram,cpu")
    # Loads slowly, and few programs have sizes to read.
    from ..formats.units import parse_unit

    disk = parse_unit(f"{what} specs disk", columns[0])
    memory = parse_unit(f"{what} specs memory", columns[1])
    cpus = read_int(f"{what} specs cpus", columns[2])
    spindles = read_int(f"{what} specs spindles", columns[3]) if columns[3:] else 1
    return Spec(memory, cpus, disk, 1, 1, spindles)


_FILE_HELP = "print the ganeti command list for reaching the solution, if an argument is passed "
_LENGTH_HELP = "cap the solution at this many balancing or allocation rounds (useful for very "
_INSTANCE_MOVES_HELP = (
    "disallow instance (primary node) moves from the list of allowed, instance changes, thus "
    "allowing only slower, but sometimes safer, drbd secondary changes"
)
_DISK_MOVES_HELP = (
    "disallow disk moves from the list of allowed instance changes, thus allowing only the "
    "'cheap' failover/migrate operations"
)
_KVM_HELP = (
    "use static node memory [in MB] on KVM instead of value reported by hypervisor. Use 0 to "
    "take value reported from hypervisor."
)
_RESTRICTED_HELP = (
    "disallow replace-primary moves (aka frf-moves); in evacuation mode, this will ensure that "
    "the only migrations are off the drained nodes"
)
_EVACUATION_HELP = (
    "enable evacuation mode, where the algorithm only moves instances away from offline and "
    "drained nodes"
)
_MACHINE_HELP = (
    "enable machine readable output (pass either 'yes' or 'no' to explicitly control the flag, "
    "or without an argument defaults to yes)"
)
_MAX_CPU_HELP = (
    "maximum virtual-to-physical cpu ratio for nodes (from 0 upwards) "
    "[default read from cluster]"
)
_MINIMAL_HELP = (
    "minimal resources to be present on each in multiples of the standard allocation for not "
    "onlining standby nodes"
)
_TARGET_HELP = (
    "target resources to be left on each node after squeezing in multiples of the standard "
    "allocation"
)
_DELAY_HELP = (
    "insert this much delay before the execution of repair jobs to allow the tool to continue "
    "processing instances"
)
_FORCE_HELP = (
    "force the execution of this program, even if warnings would otherwise prevent it"
)
_SIMULATE_HELP = (
    "simulate an empty cluster, given as 'alloc_policy,num_nodes,disk,ram,cpu'"
)
_PARTIAL_HELP = (
    "abort if the data available from the monitoring daemons is incomplete"
)

_ALL: Final[tuple[tuple[Option, Apply], ...]] = (
    (Option("p", "print-nodes", "[FIELDS]", "print the final node list"), _fields),
    (Option("", "print-instances", "", "print the final instance map"),
     _set("print_instances", True)),
    (Option("C", "print-commands", "[FILE]",
            _FILE_HELP + "then write the commands to a file named as such"),
     _text("print_commands")),
    (Option("t", "text-data", "FILE", "the cluster data FILE", "file"), _text("text_file")),
    (Option("E", "evac-mode", "", _EVACUATION_HELP), _set("evacuation", True)),
    (Option("", "restricted-migration", "", _RESTRICTED_HELP), _set("restricted_migration", True)),
    (Option("m", "master", "ADDRESS", "collect data via RAPI at the given ADDRESS", "host"),
     _text("rapi")),
    (Option("L", "luxi", "[SOCKET]",
            f"collect data via Luxi, optionally using the given SOCKET path [{DEFAULT_SOCKET}]",
            "file"),
     lambda settings, text: setattr(settings, "luxi", text or DEFAULT_SOCKET)),
    (Option("I", "ialloc-src", "FILE", "Specify an iallocator spec as the cluster data source",
            "file"), _text("ialloc_file")),
    (Option("X", "exec", "", "execute the suggested moves via Luxi (only available when using it "
            "for data gathering)"), _set("execute", True)),
    (Option("", "first-job-group", "", "only execute the first group of jobs"),
     _set("first_job_group", True)),
    (Option("", "reason", "REASON", "The reason to pass to the submitted jobs"), _text("reason")),
    (Option("G", "group", "ID", "the target node group (name or UUID)", "onegroup"),
     _text("group")),
    (Option("l", "max-length", "N",
            _LENGTH_HELP + "unbalanced clusters or empty clusters)", "integer"),
     _whole("max_length", "max solution length")),
    (Option("v", "verbose", "", "increase the verbosity level"), _louder(1)),
    (Option("q", "quiet", "", "decrease the verbosity level"), _louder(-1)),
    (Option("O", "offline", "NODE", "set node as offline", "onenode"),
     _more("offline", first=True)),
    (Option("", "static-kvm-node-memory", "N", _KVM_HELP, "integer"),
     _whole("kvm_node_memory", "static node memory")),
    (Option("e", "min-score", "EPSILON", "mininum excess to the N+1 limit to aim for", "float"),
     _real("min_score", "min score")),
    (Option("", "max-cpu", "RATIO", _MAX_CPU_HELP, "float"), _cpu_ratio),
    (Option("", "min-disk", "RATIO", "minimum free disk space for nodes (between 0 and 1) [0]",
            "float"), _real("min_disk", "min free disk space")),
    (Option("g", "min-gain", "DELTA",
            "minimum gain to aim for in a balancing step before giving up", "float"),
     _real("min_gain", "min gain")),
    (Option("", "min-gain-limit", "SCORE",
            "minimum cluster score for which we start checking the min-gain", "float"),
     _real("min_gain_limit", "min gain limit")),
    (Option("", "no-disk-moves", "", _DISK_MOVES_HELP), _set("disk_moves", False)),
    (Option("", "select-instances", "INSTS", "only select given instances for any moves",
            "manyinstances"), _names("selected")),
    (Option("", "no-instance-moves", "", _INSTANCE_MOVES_HELP), _set("instance_moves", False)),
    (Option("", "ignore-soft-errors", "", "Ignore any soft restrictions in balancing"),
     _set("soft", True)),
    (Option("U", "dynu-file", "FILE", "Import dynamic utilisation data from the given FILE",
            "file"), _text("loads_file")),
    (Option("", "ignore-dynu", "", "Ignore any dynamic utilisation information"),
     _set("ignore_loads", True)),
    (Option("", "mond", "[CHOICE]", "pass either 'yes' or 'no' to query all monDs",
            "choices=yes,no"), _yes_no("mond")),
    (Option("", "mond-data", "FILE", "Import data provided by MonDs from the given FILE", "file"),
     _text("mond_file")),
    (Option("", "exit-on-missing-mond-data", "", _PARTIAL_HELP), _set("mond_strict", True)),
    (Option("", "mond-xen", "", "also consider xen-specific collectors in MonD queries"),
     _set("mond_xen", True)),
    (Option("", "exclusion-tags", "TAG,...",
            "Enable instance exclusion based on given tag prefix", "string"),
     _names("exclusion_tags")),
    (Option("", "exclude-instances", "INSTS", "exclude given instances from any moves",
            "manyinstances"), _names("excluded")),
    (Option("S", "save", "FILE",
            "Save cluster state at the end of the processing to FILE"), _text("save")),
    (Option("", "priority", "PRIO", "set the priority of submitted jobs",
            "choices=low,normal,high"), _priority),
    (Option("", "simulate", "SPEC", _SIMULATE_HELP, "string"), _more("simulations", first=True)),
    (Option("", "no-capacity-checks", "",
            "disable capacity checks (like global N+1 redundancy)"), _set("capacity", False)),
    (Option("", "restrict-allocation-to", "NODE,...",
            "Restrict allocations to the given set of nodes", "manynodes"),
     _names("restrict_to")),
    (Option("", "disk-template", "TEMPLATE", "select the desired disk template",
            "choices=" + ",".join(TEMPLATES)), _template),
    (Option("", "spindle-use", "SPINDLES",
            "select how many virtual spindle instances use [default read from cluster]",
            "float"), _spindle_use),
    (Option("", "independent-groups", "", "Consider groups independently"),
     _set("independent_groups", True)),
    (Option("", "accept-existing-errors", "",
            "Accept existing N+1 violations; just don't add new ones"),
     _set("accept_existing", True)),
    (Option("", "machine-readable", "[CHOICE]", _MACHINE_HELP, "choices=yes,no"),
     _yes_no("machine_readable")),
    (Option("", "standard-alloc", "STDSPEC",
            "enable standard specs allocation, given as 'disk,ram,cpu'", "string"),
     _spec("standard", "standard")),
    (Option("", "tiered-alloc", "TSPEC",
            "enable tiered specs allocation, given as 'disk,ram,cpu'", "string"),
     _spec("tiered", "tiered")),
    (Option("", "minimal-resources", "FACTOR", _MINIMAL_HELP, "float"),
     _real("minimal_resources", "minimal resources")),
    (Option("", "target-resources", "FACTOR", _TARGET_HELP, "float"),
     _real("target_resources", "target resources")),
    (Option("", "no-headers", "", "do not show a header line"), _set("headers", False)),
    (Option("", "no-simulation", "", "do not perform rebalancing simulation"),
     _set("simulation", False)),
    (Option("", "offline-maintenance", "",
            "Schedule offline maintenance, i.e., pretend that all instance are offline."),
     _set("offline_maintenance", True)),
    (Option("", "node-tags", "TAG,...", "Restrict to nodes with the given tags", "string"),
     _names("node_tags")),
    (Option("", "print-moves", "", "print the moves of the instances"), _set("print_moves", True)),
    (Option("", "full-evacuation", "", "fully evacuate the nodes to be rebooted"),
     _set("full_evacuation", True)),
    (Option("", "skip-non-redundant", "", "Skip nodes that host a non-redundant instance"),
     _set("skip_non_redundant", True)),
    (Option("", "ignore-non-redundant", "",
            "Pretend that there are no non-redundant instances in the cluster"),
     _set("ignore_non_redundant", True)),
    (Option("f", "force", "", _FORCE_HELP), _set("force", True)),
    (Option("", "one-step-only", "", "Only do the first step"), _set("one_step_only", True)),
    (Option("d", "output-dir", "PATH", "directory in which to write output files", "dir"),
     _text("output_dir")),
    (Option("", "job-delay", "SECONDS", _DELAY_HELP, "float"), _real("job_delay", "job delay")),
    (Option("", "dry-run", "",
            "do not execute any commands and just report what would be done"),
     _set("dry_run", True)),
    (Option("", "explain", "", "say for every choice what spoke for and against it"),
     _set("explain", True)),
    (Option("", "json", "", "print JSON, for programs"), _set("json", True)),
    (Option("V", "version", "", "show the version of the program"), _set("show", "version")),
    (Option("h", "help", "", "show help"), _set("show", "help")),
    (Option("", "help-completion", "", "show completion info"), _set("show", "completion")),
)

OPTIONS: Final = {option.long: option for option, _ in _ALL}
APPLY: Final = {option.long: apply for option, apply in _ALL}
STANDARD: Final = ("version", "help", "help-completion")
"""Options that every program has."""
