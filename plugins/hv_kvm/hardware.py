"""The machine that a guest has, and whether another node gives it the same.

A guest that moves keeps what it sees: the machine type in its very version, the slot of each
device, the features of its processors. The node that runs it offers what it has; the other one
builds that, or refuses before anything has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ganeti_core.plugin_api import HypervisorError, InstanceSpec
from ganeti_core.plugin_api.codec import decode
from ganeti_core.plugin_api.data import MigrationOffer

from . import devices, hotplug
from .guests import Guest, Runtime
from .parameters import filled
from .qmp import Qmp
from .run_states import HALTED

HOST_ONLY = frozenset({
    "boot_order", "cpu_mask", "disk_aio", "disk_discard", "initrd_path",
    "kernel_args", "keymap", "kvm_flag", "kvm_path", "kvm_pci_reservations", "mem_path",
    "migration_bandwidth", "migration_caps", "migration_downtime", "migration_mode",
    "migration_port", "reboot_behavior", "root_path", "security_domain", "security_model",
    "serial_speed", "spice_image_compression", "spice_ip_version", "spice_jpeg_wan_compression",
    "spice_password_file", "spice_playback_compression", "spice_streaming_video",
    "spice_tls_ciphers", "spice_use_tls", "spice_zlib_glz_wan_compression", "use_chroot",
    "use_localtime", "user_shutdown", "vhost_net", "virtio_disk_iothreads",
    "vnc_password_file", "vnc_tls", "vnc_x509_path", "vnc_x509_verify"})
"""Parameters that may change while a guest runs, and hold from its next start or move on: the guest
sees nothing of them, or read them when it booted."""
ONLY_WHETHER = frozenset({"kernel_path", "cdrom_image_path", "cdrom2_image_path",
                          "floppy_image_path", "spice_bind", "vnc_bind_address"})
"""Parameters of which the guest sees only whether they are set: there is a drive, a screen."""
NOTICES_WRITES = 9
"""Since which version QEMU notices all writes of guests that it emulates while it sends them."""

Mode = Literal["running", "paused", "incoming"]


@dataclass(frozen=True)
class Hardware:
    """What a guest is made of.

    :param machine: the machine type; of a guest that runs, never an alias such as ``pc``
    :param slots: PCI slot of each device, by uuid
    :param accelerator: what runs it; empty: as is best on the node
    :param features: of its processors, by register of CPUID; empty: whatever the node gives
    :param balloon: the memory that it was ordered to have, MiB; 0: all
    :param halted: somebody has paused it, and it is not to run on by moving
    """

    machine: str
    slots: dict[str, int]
    accelerator: str = ""
    features: dict[str, int] = field(default_factory=dict)
    balloon: int = 0
    halted: bool = False

    @classmethod
    def at_start(cls, instance: InstanceSpec) -> Hardware:
        """What a start gives `instance`, whose hvparams are filled.

        :raises HypervisorError: its devices cannot be placed
        """
        return cls(str(instance.hvparams["machine_version"]) or "pc", devices.slots(instance))

    @classmethod
    def offered(cls, offer: MigrationOffer, instance: InstanceSpec) -> Hardware:
        """What a receiver must give `instance`: what its source has, where that is known.

        :raises HypervisorError: the offer is of other devices, or cannot be read
        """
        if not offer.details:
            return cls.at_start(instance)
        try:
            found: Hardware = decode(cls, offer.details)
        except (ValueError, TypeError, KeyError) as exc:
            raise HypervisorError(f"what is offered of {instance.name} cannot be read: {exc}"
                                  ) from exc
        if found.slots.keys() != devices.slots(instance).keys():
            raise HypervisorError(f"{instance.name} is offered with other devices than its "
                                  "configuration says; restart it first")
        return found


@dataclass(frozen=True)
class Start:
    """A QEMU that is to be: `instance` with filled hvparams, its machine, how it begins."""

    instance: InstanceSpec
    hardware: Hardware
    mode: Mode


def offer(guest: Guest, instance: InstanceSpec) -> MigrationOffer:
    """What a guest that runs has; `instance` is what its configuration says, filled.

    :raises HypervisorError: another node would build another machine from that, or QEMU is silent
    """
    runtime = check_same(guest, instance)
    with guest.query() as qmp:
        if gone := hotplug.lost(runtime, qmp):
            raise HypervisorError(
                f"{guest.name} lacks devices since it was reset, for it had been asked to let them "
                f"go ({', '.join(one.uuid for one in gone)}): gnt-instance reboot gives them back")
        version = qmp.execute("query-version")["qemu"]
        options = str(instance.hvparams["machine_version"]).partition(",")
        details = Hardware(
            "".join((machine_type(qmp), *options[1:])), runtime.slots,
            "kvm" if qmp.execute("query-kvm")["enabled"] else "tcg",
            processor_features(qmp), runtime.balloon,
            qmp.execute("query-status")["status"] in HALTED)
    return MigrationOffer("{major}.{minor}.{micro}".format(**version), asdict(details))


def may_miss_writes(guest: Guest) -> str:
    """Why a guest that runs on while it is sent may arrive with old memory; empty where it cannot.

    Where QEMU emulates, each pass of a transfer has to make it notice the next write to a page. A
    QEMU before 9.0 forgets that for as long as its tables of translated addresses live.

    :raises HypervisorError: QEMU is silent
    """
    with guest.query() as qmp:
        version = qmp.execute("query-version")["qemu"]
        if version["major"] >= NOTICES_WRITES or qmp.execute("query-kvm")["enabled"]:
            return ""
    return (f"QEMU {version['major']}.{version['minor']} emulates {guest.name}, and before version "
            f"{NOTICES_WRITES}.0 it may miss what an emulated guest writes while it is sent: the "
            "guest may arrive broken; migrate it with --non-live to be safe")


def machine_type(qmp: Qmp) -> str:
    """The type of a QEMU's machine in its version, as ``-machine`` takes it."""
    found = str(qmp.execute("qom-get", {"path": "/machine", "property": "type"}))
    return found.removesuffix("-machine")


def processor_features(qmp: Qmp) -> dict[str, int]:
    """The features that the first processor has: bits by register of CPUID."""
    path = qmp.execute("query-cpus-fast")[0]["qom-path"]
    words = qmp.execute("qom-get", {"path": path, "property": "feature-words"})
    return {f"{word['cpuid-input-eax']:08X}.{word.get('cpuid-input-ecx', 0)}."
            f"{word['cpuid-register']}": int(word["features"]) for word in words}


def check_processor(qmp: Qmp, name: str, node: str, wanted: Mapping[str, int]) -> None:
    """See that a receiver's processors have all that the guest may use.

    :raises HypervisorError: they lack features
    """
    have = processor_features(qmp)
    lacking = [f"CPUID {register} bits 0x{bits & ~have.get(register, 0):X}"
               for register, bits in sorted(wanted.items()) if bits & ~have.get(register, 0)]
    if lacking:
        raise HypervisorError(
            f"{name} cannot run on {node}: its processors lack features that the guest has "
            f"({', '.join(lacking)}); set cpu_type to a model that both nodes have and restart it, "
            "or use failover")


def check_same(guest: Guest, instance: InstanceSpec) -> Runtime:
    """Check that the target, which follows the configuration, gives the guest what it has; return
    what is remembered of it.

    :raises HypervisorError: it was changed since its start
    """
    runtime = guest.load()
    if runtime is None:
        raise HypervisorError(f"it is not known how {guest.name} was started; restart it")
    wanted = devices.slots(instance).keys()
    had, has = _machine(runtime.spec), _machine(instance)
    changed = [f"{what} ({had.get(what)!r}, configured {has.get(what)!r})"
               for what in has if had.get(what) != has[what]]
    if devices.is_q35(instance.hvparams) and not runtime.root_ports:
        changed.append("bus (devices on root ports came with a later version)")
    if gone := sorted(runtime.slots.keys() - wanted):
        changed.append(f"devices (it still has {', '.join(gone)})")
    if new := sorted(wanted - runtime.slots.keys()):
        changed.append(f"devices (it lacks {', '.join(new)})")
    if changed:
        raise HypervisorError(
            f"{guest.name} runs with another {' and '.join(changed)} than its configuration says, "
            "so it cannot be migrated live; restart it first")
    return runtime


def _machine(instance: InstanceSpec) -> dict[str, object]:
    """What the guest sees; where a parameter did not exist at its start, its default held."""
    params: Mapping[str, Any] = filled(instance.hvparams)
    ordered = ([(disk.index, disk.uuid) for disk in instance.disks]
               if params["disk_type"] in devices.BUSLESS else [])
    return {
        "order of disks": ordered,
        "memory size": instance.memory, "number of CPUs": instance.vcpus,
        **{name: _seen(name, value)
           for name, value in params.items() if name not in HOST_ONLY}}


def _seen(name: str, value: object) -> object:
    """What the guest sees of a parameter."""
    if name == "disk_cache":
        return value if value == "writethrough" else "writeback"
    return bool(value) if name in ONLY_WHETHER else value
