"""The settings that the options of a command line make."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..records import Spec


@dataclass(slots=True)
class Settings:
    """What the user asked for. Ratios and scores are plain numbers, sizes MiB, times seconds."""

    show: str = ""
    """`help`, `version` or `completion` instead of work."""
    text_file: str | None = None
    rapi: str | None = None
    luxi: str | None = None
    ialloc_file: str | None = None
    simulations: list[str] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)
    group: str | None = None
    verbosity: int = 1
    print_nodes: str | None = None
    """Fields of the node table; empty for the default ones, None for no table."""
    print_instances: bool = False
    print_commands: str | None = None
    """File for the commands; empty to print them, None for neither."""
    print_moves: bool = False
    headers: bool = True
    machine_readable: bool = False
    save: str | None = None
    explain: bool = False
    json: bool = False
    execute: bool = False
    first_job_group: bool = False
    reason: str | None = None
    priority: str | None = None
    max_length: int = -1
    min_score: float = 1e-9
    min_gain: float = 1e-2
    min_gain_limit: float = 1e-1
    max_cpu: float | None = None
    min_disk: float = 0.0
    evacuation: bool = False
    restricted_migration: bool = False
    disk_moves: bool = True
    instance_moves: bool = True
    soft: bool = False
    selected: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    exclusion_tags: tuple[str, ...] = ()
    loads_file: str | None = None
    ignore_loads: bool = False
    mond: bool = False
    mond_file: str | None = None
    mond_strict: bool = False
    mond_xen: bool = False
    kvm_node_memory: int = 4096
    capacity: bool = True
    accept_existing: bool = False
    independent_groups: bool = False
    restrict_to: tuple[str, ...] | None = None
    simulation: bool = True
    disk_template: str | None = None
    spindle_use: int | None = None
    standard: Spec | None = None
    tiered: Spec | None = None
    minimal_resources: float = 2.0
    target_resources: float = 2.0
    offline_maintenance: bool = False
    node_tags: tuple[str, ...] | None = None
    full_evacuation: bool = False
    skip_non_redundant: bool = False
    ignore_non_redundant: bool = False
    force: bool = False
    one_step_only: bool = False
    output_dir: str = "."
    job_delay: float = 10.0
    dry_run: bool = False
