"""The cluster as a whole."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import JsonDict, Natural, NonEmptyStr, OpCode, Positive


@dataclass(frozen=True, kw_only=True)
class ClusterActivateMasterIp(OpCode):
    """Configure the master IP on the master node."""

    op_id = "OP_CLUSTER_ACTIVATE_MASTER_IP"
    big_lock = True


@dataclass(frozen=True, kw_only=True)
class ClusterConfigQuery(OpCode):
    """Return single values of the configuration."""

    op_id = "OP_CLUSTER_CONFIG_QUERY"

    output_fields: list[NonEmptyStr]


@dataclass(frozen=True, kw_only=True)
class ClusterDeactivateMasterIp(OpCode):
    """Take the master IP off the master node."""

    op_id = "OP_CLUSTER_DEACTIVATE_MASTER_IP"
    big_lock = True


@dataclass(frozen=True, kw_only=True)
class ClusterDestroy(OpCode):
    """End the cluster; it must have no instances and one node."""

    op_id = "OP_CLUSTER_DESTROY"
    big_lock = True


@dataclass(frozen=True, kw_only=True)
class ClusterPostInit(OpCode):
    """Run the scripts that follow the initialisation."""

    op_id = "OP_CLUSTER_POST_INIT"
    big_lock = True


@dataclass(frozen=True, kw_only=True)
class ClusterQuery(OpCode):
    """Return the cluster's settings."""

    op_id = "OP_CLUSTER_QUERY"


@dataclass(frozen=True, kw_only=True)
class ClusterRedistConf(OpCode):
    """Send the configuration's derived files to all nodes again."""

    op_id = "OP_CLUSTER_REDIST_CONF"


@dataclass(frozen=True, kw_only=True)
class ClusterRename(OpCode):
    """Rename the cluster."""

    op_id = "OP_CLUSTER_RENAME"
    summary_field = "name"
    big_lock = True

    name: NonEmptyStr


@dataclass(frozen=True, kw_only=True)
class ClusterRenewCrypto(OpCode):
    """Make new certificates for the nodes; with `cluster_certificate` a new authority, too."""

    op_id = "OP_CLUSTER_RENEW_CRYPTO"

    node_certificates: bool = False
    cluster_certificate: bool = False
    renew_ssh_keys: bool = False
    ssh_key_type: Literal["dsa", "ecdsa", "rsa"] | None = None
    ssh_key_bits: Positive | None = None
    verbose: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class ClusterRepairDiskSizes(OpCode):
    """Compare recorded disk sizes with the real ones and correct the record."""

    op_id = "OP_CLUSTER_REPAIR_DISK_SIZES"

    instances: list[NonEmptyStr] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ClusterSetParams(OpCode):
    """Change settings of the cluster."""

    op_id = "OP_CLUSTER_SET_PARAMS"

    force: bool = False
    hv_state: JsonDict | None = None
    disk_state: JsonDict | None = None
    vg_name: str | None = None
    enabled_hypervisors: list[Any] | None = None
    hvparams: JsonDict | None = None
    beparams: JsonDict | None = None
    os_hvp: JsonDict | None = None
    osparams: JsonDict | None = None
    osparams_private_cluster: JsonDict | None = None
    diskparams: JsonDict | None = None
    candidate_pool_size: Positive | None = None
    max_running_jobs: Positive | None = None
    max_tracked_jobs: Positive | None = None
    uid_pool: list[Any] | None = None
    add_uids: list[Any] | None = None
    remove_uids: list[Any] | None = None
    maintain_node_health: bool | None = None
    prealloc_wipe_disks: bool | None = None
    nicparams: JsonDict | None = None
    ndparams: JsonDict | None = None
    ipolicy: JsonDict | None = None
    drbd_helper: str | None = None
    default_iallocator: str | None = None
    default_iallocator_params: JsonDict | None = None
    mac_prefix: NonEmptyStr | None = None
    master_netdev: str | None = None
    master_netmask: Natural | None = None
    reserved_lvs: list[NonEmptyStr] | None = None
    hidden_os: list[Any] | None = None
    blacklisted_os: list[Any] | None = None
    use_external_mip_script: bool | None = None
    enabled_disk_templates: list[Any] | None = None
    modify_etc_hosts: bool | None = None
    file_storage_dir: str | None = None
    shared_file_storage_dir: str | None = None
    gluster_storage_dir: str | None = None
    install_image: str | None = None
    instance_communication_network: str | None = None
    zeroing_image: str | None = None
    compression_tools: list[NonEmptyStr] | None = None
    enabled_user_shutdown: bool | None = None
    enabled_data_collectors: JsonDict | None = None
    data_collector_interval: JsonDict | None = None
    job_queue_files: bool | None = None
    settings: JsonDict | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterVerify(OpCode):
    """Verify the whole cluster; expands into one job per node group."""

    op_id = "OP_CLUSTER_VERIFY"

    debug_simulate_errors: bool = False
    error_codes: bool = False
    skip_checks: list[str] = field(default_factory=list)
    ignore_errors: list[str] = field(default_factory=list)
    verbose: bool = False
    group_name: NonEmptyStr | None = None
    verify_clutter: bool = False


@dataclass(frozen=True, kw_only=True)
class ClusterVerifyConfig(OpCode):
    """Verify what is not of one node group: certificates, parameters."""

    op_id = "OP_CLUSTER_VERIFY_CONFIG"

    debug_simulate_errors: bool = False
    error_codes: bool = False
    ignore_errors: list[str] = field(default_factory=list)
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class ClusterVerifyDisks(OpCode):
    """Verify the disks of all instances; expands into jobs."""

    op_id = "OP_CLUSTER_VERIFY_DISKS"

    group_name: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterVerifyGroup(OpCode):
    """Verify the nodes and instances of one node group."""

    op_id = "OP_CLUSTER_VERIFY_GROUP"
    summary_field = "group_name"

    group_name: NonEmptyStr
    debug_simulate_errors: bool = False
    error_codes: bool = False
    skip_checks: list[str] = field(default_factory=list)
    ignore_errors: list[str] = field(default_factory=list)
    verbose: bool = False
    verify_clutter: bool = False
