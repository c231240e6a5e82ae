"""Instances."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import JsonDict, Natural, NonEmptyStr, OpCode, Positive


@dataclass(frozen=True, kw_only=True)
class InstanceActivateDisks(OpCode):
    """Open an instance's disks on its primary node."""

    op_id = "OP_INSTANCE_ACTIVATE_DISKS"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    ignore_size: bool = False
    wait_for_sync: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceChangeGroup(OpCode):
    """Move an instance to another group; expands into jobs."""

    op_id = "OP_INSTANCE_CHANGE_GROUP"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    early_release: bool = False
    iallocator: NonEmptyStr | None = None
    target_groups: list[NonEmptyStr] | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceConsole(OpCode):
    """Return how to reach an instance's console."""

    op_id = "OP_INSTANCE_CONSOLE"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceCreate(OpCode):
    """Create an instance."""

    op_id = "OP_INSTANCE_CREATE"
    summary_field = "instance_name"
    secret_fields = ("osparams_secret",)

    instance_name: str
    disks: list[Any]
    mode: Literal["create", "import", "remote-import"]
    nics: list[Any]
    force_variant: bool = False
    wait_for_sync: bool = True
    name_check: bool = True
    ignore_ipolicy: bool = False
    opportunistic_locking: bool = False
    beparams: JsonDict = field(default_factory=dict)
    disk_template: NonEmptyStr | None = None
    group_name: NonEmptyStr | None = None
    file_driver: Literal["blktap", "blktap2", "loop"] | None = None
    file_storage_dir: NonEmptyStr | None = None
    hvparams: JsonDict = field(default_factory=dict)
    hypervisor: NonEmptyStr | None = None
    iallocator: NonEmptyStr | None = None
    identify_defaults: bool = False
    ip_check: bool = True
    conflicts_check: bool = True
    no_install: bool | None = None
    osparams: JsonDict = field(default_factory=dict)
    osparams_private: JsonDict | None = None
    osparams_secret: JsonDict | None = None
    os_type: NonEmptyStr | None = None
    pnode: NonEmptyStr | None = None
    pnode_uuid: NonEmptyStr | None = None
    snode: NonEmptyStr | None = None
    snode_uuid: NonEmptyStr | None = None
    source_handshake: list[Any] | None = None
    source_instance_name: NonEmptyStr | None = None
    source_shutdown_timeout: Natural = 120
    source_x509_ca: NonEmptyStr | None = None
    src_node: NonEmptyStr | None = None
    src_node_uuid: NonEmptyStr | None = None
    src_path: NonEmptyStr | None = None
    compress: str = "none"
    start: bool = True
    forthcoming: bool = False
    commit: bool = False
    tags: list[NonEmptyStr] = field(default_factory=list)
    instance_communication: bool = False
    helper_startup_timeout: int | None = None
    helper_shutdown_timeout: int | None = None
    explain: bool | None = None
    """Tell in the job's log how the allocator sees every node; not a parameter of Ganeti."""


@dataclass(frozen=True, kw_only=True)
class InstanceDeactivateDisks(OpCode):
    """Close an instance's disks."""

    op_id = "OP_INSTANCE_DEACTIVATE_DISKS"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceFailover(OpCode):
    """Stop an instance where it runs and start it on another node."""

    op_id = "OP_INSTANCE_FAILOVER"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    shutdown_timeout: Natural = 120
    ignore_consistency: bool = False
    target_node: NonEmptyStr | None = None
    target_node_uuid: NonEmptyStr | None = None
    ignore_ipolicy: bool = False
    cleanup: bool = False
    iallocator: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceGrowDisk(OpCode):
    """Make a disk of an instance larger."""

    op_id = "OP_INSTANCE_GROW_DISK"
    summary_field = "instance_name"

    instance_name: str
    disk: Any
    amount: Natural
    instance_uuid: NonEmptyStr | None = None
    wait_for_sync: bool = True
    absolute: bool = False
    ignore_ipolicy: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceMigrate(OpCode):
    """Move a running instance to another node."""

    op_id = "OP_INSTANCE_MIGRATE"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    mode: Literal["live", "non-live"] | None = None
    live: bool | None = None
    target_node: NonEmptyStr | None = None
    target_node_uuid: NonEmptyStr | None = None
    allow_runtime_changes: bool = True
    ignore_ipolicy: bool = False
    cleanup: bool = False
    iallocator: NonEmptyStr | None = None
    allow_failover: bool = False
    ignore_hvversions: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceMove(OpCode):
    """Move an instance and its disks by copying."""

    op_id = "OP_INSTANCE_MOVE"
    summary_field = "instance_name"

    instance_name: str
    target_node: NonEmptyStr
    instance_uuid: NonEmptyStr | None = None
    shutdown_timeout: Natural = 120
    ignore_ipolicy: bool = False
    target_node_uuid: NonEmptyStr | None = None
    compress: str = "none"
    ignore_consistency: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceMultiAlloc(OpCode):
    """Create several instances; expands into jobs."""

    op_id = "OP_INSTANCE_MULTI_ALLOC"
    carries = (("instances", "OP_INSTANCE_CREATE"),)

    opportunistic_locking: bool = False
    iallocator: NonEmptyStr | None = None
    instances: list[Any] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class InstanceQueryData(OpCode):
    """Tell all about instances."""

    op_id = "OP_INSTANCE_QUERY_DATA"

    use_locking: bool = False
    instances: list[NonEmptyStr] = field(default_factory=list)
    static: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceReboot(OpCode):
    """Reboot an instance."""

    op_id = "OP_INSTANCE_REBOOT"
    summary_field = "instance_name"

    instance_name: str
    reboot_type: Literal["full", "hard", "soft"]
    instance_uuid: NonEmptyStr | None = None
    shutdown_timeout: Natural = 120
    ignore_secondaries: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceRecreateDisks(OpCode):
    """Make lost disks of an instance anew."""

    op_id = "OP_INSTANCE_RECREATE_DISKS"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    disks: list[Any] = field(default_factory=list)
    nodes: list[NonEmptyStr] = field(default_factory=list)
    node_uuids: list[NonEmptyStr] | None = None
    iallocator: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceReinstall(OpCode):
    """Install an instance's system again."""

    op_id = "OP_INSTANCE_REINSTALL"
    summary_field = "instance_name"
    secret_fields = ("osparams_secret",)

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    force_variant: bool = False
    os_type: NonEmptyStr | None = None
    osparams: JsonDict | None = None
    osparams_private: JsonDict | None = None
    osparams_secret: JsonDict | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceRemove(OpCode):
    """Remove an instance and its disks."""

    op_id = "OP_INSTANCE_REMOVE"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    shutdown_timeout: Natural = 120
    ignore_failures: bool = False


@dataclass(frozen=True, kw_only=True)
class InstanceRename(OpCode):
    """Rename an instance."""

    op_id = "OP_INSTANCE_RENAME"

    instance_name: str
    new_name: NonEmptyStr
    instance_uuid: NonEmptyStr | None = None
    name_check: bool = True
    ip_check: bool = True


@dataclass(frozen=True, kw_only=True)
class InstanceReplaceDisks(OpCode):
    """Replace mirrored disks of an instance."""

    op_id = "OP_INSTANCE_REPLACE_DISKS"
    summary_field = "instance_name"

    instance_name: str
    mode: Literal[
        "replace_auto", "replace_new_secondary", "replace_on_primary", "replace_on_secondary"]
    instance_uuid: NonEmptyStr | None = None
    early_release: bool = False
    ignore_ipolicy: bool = False
    disks: list[Any] = field(default_factory=list)
    remote_node: NonEmptyStr | None = None
    remote_node_uuid: NonEmptyStr | None = None
    iallocator: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceSetParams(OpCode):
    """Change an instance's parameters and devices."""

    op_id = "OP_INSTANCE_SET_PARAMS"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    force: bool = False
    force_variant: bool = False
    ignore_ipolicy: bool = False
    nics: list[Any] = field(default_factory=list)
    disks: list[Any] = field(default_factory=list)
    beparams: JsonDict = field(default_factory=dict)
    runtime_mem: Positive | None = None
    hvparams: JsonDict = field(default_factory=dict)
    disk_template: NonEmptyStr | None = None
    ext_params: JsonDict = field(default_factory=dict)
    file_driver: Literal["blktap", "blktap2", "loop"] | None = None
    file_storage_dir: NonEmptyStr | None = None
    pnode: NonEmptyStr | None = None
    pnode_uuid: NonEmptyStr | None = None
    remote_node: NonEmptyStr | None = None
    remote_node_uuid: NonEmptyStr | None = None
    iallocator: NonEmptyStr | None = None
    os_name: NonEmptyStr | None = None
    osparams: JsonDict = field(default_factory=dict)
    osparams_private: JsonDict | None = None
    wait_for_sync: bool = True
    offline: bool | None = None
    conflicts_check: bool = True
    hotplug: bool = False
    hotplug_if_possible: bool = False
    instance_communication: bool | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceShutdown(OpCode):
    """Stop an instance."""

    op_id = "OP_INSTANCE_SHUTDOWN"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    force: bool = False
    ignore_offline_nodes: bool = False
    timeout: Natural = 120
    no_remember: bool = False
    admin_state_source: Literal["admin", "user"] | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceStartup(OpCode):
    """Start an instance."""

    op_id = "OP_INSTANCE_STARTUP"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
    force: bool = False
    ignore_offline_nodes: bool = False
    hvparams: JsonDict = field(default_factory=dict)
    beparams: JsonDict = field(default_factory=dict)
    no_remember: bool = False
    startup_paused: bool = False
    shutdown_timeout: Natural = 120
