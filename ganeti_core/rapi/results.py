"""What the Python client's methods return, for type checkers; at run time they are plain dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")



class _Object(TypedDict):
    """What every object has. Times are seconds since 1970."""

    name: str
    uuid: str
    serial_no: int
    ctime: float
    mtime: float
    tags: list[str]


_OfInstance = TypedDict("_OfInstance", {
    "nic.ips": list[str | None], "nic.macs": list[str], "nic.modes": list[str],
    "nic.uuids": list[str], "nic.names": list[str | None], "nic.links": list[str],
    "nic.networks": list[str | None], "nic.networks.names": list[str | None],
    "nic.bridges": list[str | None], "disk.sizes": list[int], "disk.spindles": list[int | None],
    "disk.uuids": list[str], "disk.names": list[str | None]})


class Instance(_Object, _OfInstance):
    """An instance. Sizes are MiB."""

    admin_state: str
    os: str
    pnode: str
    snodes: list[str]
    disk_template: str
    network_port: int | None
    disk_usage: int
    beparams: dict[str, Any]
    hvparams: dict[str, Any]
    oper_state: bool | None
    oper_ram: int | None
    oper_vcpus: int | None
    status: str
    custom_hvparams: dict[str, Any]
    custom_beparams: dict[str, Any]
    custom_nicparams: list[dict[str, Any]]
    custom_osparams: dict[str, Any]


_OfNode = TypedDict("_OfNode", {"group.uuid": str})


class Node(_Object, _OfNode):
    """A node. Memory and disk space are MiB, and null while it does not answer."""

    offline: bool
    master_candidate: bool
    drained: bool
    dtotal: int | None
    dfree: int | None
    sptotal: int | None
    spfree: int | None
    mtotal: int | None
    mnode: int | None
    mfree: int | None
    pinst_cnt: int
    sinst_cnt: int
    ctotal: int | None
    cnos: int | None
    cnodes: int | None
    csockets: int | None
    pip: str
    sip: str
    role: str
    pinst_list: list[str]
    sinst_list: list[str]
    master_capable: bool
    vm_capable: bool
    ndparams: dict[str, Any]


class Group(_Object):
    """A node group."""

    alloc_policy: str
    node_cnt: int
    node_list: list[str]
    ipolicy: dict[str, Any]
    custom_ipolicy: dict[str, Any]
    diskparams: dict[str, Any]
    custom_diskparams: dict[str, Any]
    ndparams: dict[str, Any]
    custom_ndparams: dict[str, Any]


class Network(_Object):
    """A network; `map` has a character for each of its addresses, ``X`` for one that is taken."""

    network: str
    gateway: str | None
    network6: str | None
    gateway6: str | None
    mac_prefix: str | None
    free_count: int
    reserved_count: int
    map: str
    group_list: list[list[str]]
    inst_list: list[str]
    external_reservations: str


class Job(TypedDict):
    """A job; of one that does not exist everything but the number is null."""

    id: int
    ops: list[dict[str, Any]]
    status: str | None
    summary: list[str]
    opstatus: list[str]
    received_ts: list[int] | None
    start_ts: list[int] | None
    end_ts: list[int] | None
    oplog: list[list[Any]]
    opresult: list[Any]


class Filter(TypedDict):
    """A rule of the job queue."""

    watermark: int
    priority: int
    predicates: list[list[Any]]
    action: Any
    reason_trail: list[list[Any]]
    uuid: str


class Console(TypedDict, total=False):
    """How a console is reached; `kind` says which of the others there are."""

    instance: str
    kind: str
    message: str
    host: str
    port: int
    user: str
    command: list[str]
    display: int


class ClusterInfo(TypedDict, total=False):
    """The cluster's settings, those that programs ask for most."""

    name: str
    uuid: str
    serial_no: int
    ctime: float
    mtime: float
    tags: list[str]
    master: str
    software_version: str
    core_version: str
    enabled_hypervisors: list[str]
    default_hypervisor: str
    enabled_disk_templates: list[str]
    hvparams: dict[str, dict[str, Any]]
    beparams: dict[str, dict[str, Any]]
    nicparams: dict[str, dict[str, Any]]
    ndparams: dict[str, Any]
    diskparams: dict[str, dict[str, Any]]
    ipolicy: dict[str, Any]
    default_iallocator: str
    mac_prefix: str


class Listing(Protocol[T]):
    """A method that lists objects: their names, or with `bulk` everything about them."""

    @overload
    def __call__(self, bulk: Literal[False] = False, reason: str | None = None) -> list[str]: ...
    @overload
    def __call__(self, bulk: Literal[True], reason: str | None = None) -> list[T]: ...
    @overload
    def __call__(self, bulk: bool, reason: str | None = None) -> list[str] | list[T]: ...


class ShortListing(Protocol[T]):
    """As `Listing`, of what is listed without a reason; the names of jobs are numbers."""

    @overload
    def __call__(self, bulk: Literal[False] = False) -> list[Any]: ...
    @overload
    def __call__(self, bulk: Literal[True]) -> list[T]: ...
    @overload
    def __call__(self, bulk: bool) -> list[Any] | list[T]: ...


def listing(method: Callable[..., list[T]]) -> Listing[T]:
    """Say of a method what it returns, with `bulk` and without."""
    return cast("Listing[T]", method)


def short_listing(method: Callable[..., list[T]]) -> ShortListing[T]:
    """As `listing`."""
    return cast("ShortListing[T]", method)
