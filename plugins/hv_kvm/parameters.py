"""The instance parameters (`hvparams`) of kvm: Ganeti's names, types and defaults.

Each has its effect; of a few the values in `UNSUPPORTED_VALUES` are refused. `NEWER` are those that
Ganeti 3.0 does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganeti_core.plugin_api import ECODE_INVAL, OpPrereqError

Value = bool | int | str
AUTO = "auto"
MOST_QUEUES = 32


@dataclass(frozen=True)
class Parameter:
    """One parameter; its type is that of `default`. `values` closes the set, where not empty.

    `trial`: the value on a virtual cluster, where that is another one; `helper`: in helper guests.
    `between`: bounds of a number; `word`: the one text that may stand for it.
    """

    default: Value
    description: str
    values: tuple[Value, ...] = ()
    is_global: bool = False
    nullable: bool = False
    trial: Value | None = None
    helper: Value | None = None
    between: tuple[int, int] | None = None
    word: str = ""

    def schema(self) -> dict[str, Any]:
        json_type = {bool: "boolean", int: "integer", str: "string"}[type(self.default)]
        schema: dict[str, Any] = {
            "type": [json_type, "null"] if self.nullable else json_type,
            "default": self.default,
            "description": self.description,
        }
        if self.word:
            schema |= {"type": [json_type, "string"], "pattern": f"^({self.word}|[0-9]+)$"}
        if self.between:
            schema |= {"minimum": self.between[0], "maximum": self.between[1]}
        if self.values:
            schema["enum"] = list(self.values)
        if self.is_global:
            schema["x-global"] = True
        if self.trial is not None:
            schema["x-trial"] = self.trial
        if self.helper is not None:
            schema["x-helper"] = self.helper
        return schema


P = Parameter
FIRMWARE = ("bios", "uefi")
LOSSY = ("", "auto", "never", "always")

PARAMETERS: dict[str, Parameter] = {
    # The machine
    "kvm_path": P("/usr/bin/kvm", "QEMU's program; if missing, qemu-system-x86_64 of PATH"),
    "kvm_flag": P("", "enabled: use KVM untested; disabled: emulate; empty: find out",
                  ("", "enabled", "disabled")),
    "kvm_extra": P("", "further arguments for QEMU, quoted as for a shell"),
    "machine_version": P("", "machine type; empty: pc, in the newest version that QEMU has"),
    "kvm_pci_reservations": P(12, "PCI slots kept for QEMU's own devices; disks and NICs follow",
                              between=(3, 28)),
    "acpi": P(True, "give the guest ACPI; without it a clean stop is not possible"),
    "use_localtime": P(False, "the guest's clock starts at local time instead of UTC"),
    "reboot_behavior": P("reboot", "exit: a reboot from inside ends the instance",
                         ("reboot", "exit"), helper="reboot"),
    "user_shutdown": P(False, "a power-off from inside is kept as a wish of the user",
                       helper=True),
    "mem_path": P("", "folder of a hugetlbfs to take the guest's memory from"),
    "security_model": P("none", "QEMU's user: none: root; user: security_domain; pool: one "
                                "of the cluster's uid pool for each guest",
                        ("none", "user", "pool")),
    "security_domain": P("", "the user that QEMU runs as"),
    "use_chroot": P(False, "run QEMU in an empty root"),
    "use_guest_agent": P(False, "talk to an agent inside the guest", helper=False),
    # Processors
    "cpu_type": P("", "CPU model and flags; empty: QEMU's default, which every host can run"),
    "cpu_mask": P("all", "CPUs of the host that the guest may use, such as 0-2,5; all: any; with "
                         "colons between them one for each virtual CPU"),
    "cpu_cores": P(0, "cores of a socket; 0: QEMU's choice", between=(0, 1024)),
    "cpu_threads": P(0, "threads of a core; 0: QEMU's choice", between=(0, 1024)),
    "cpu_sockets": P(0, "sockets; 0: QEMU's choice", between=(0, 1024)),
    # What is booted
    "boot_type": P("", "what boots the guest: direct_kernel (of the node), or the firmware, bios "
                       "or uefi, which takes no kernel_path; empty: direct_kernel where "
                       "kernel_path is set, else bios", ("", "direct_kernel", *FIRMWARE),
                   helper="bios"),
    "boot_order": P("disk", "the device that is booted first",
                    ("floppy", "cdrom", "disk", "network"), helper="disk"),
    "kernel_path": P("/boot/vmlinuz-3-kvmU", "kernel on the node; empty: boot from a disk",
                     trial=""),
    "initrd_path": P("", "initial RAM disk on the node"),
    "kernel_args": P("ro", "arguments for the kernel"),
    "root_path": P("/dev/vda1", "root device told to the kernel", nullable=True),
    "cdrom_image_path": P("", "ISO image in the CD drive: a path, or a URL of http, https or ftp",
                          helper=""),
    "cdrom2_image_path": P("", "ISO image in the second CD drive", helper=""),
    "cdrom_disk_type": P("", "how CD drives are attached; empty: ide",
                         ("", "ide", "paravirtual", "scsi-cd")),
    "floppy_image_path": P("", "image in the floppy drive", helper=""),
    # Disks and NICs
    "disk_type": P("paravirtual", "how disks are attached",
                   ("paravirtual", "ide", "scsi-hd", "scsi", "sd", "mtd", "pflash", "floppy",
                    "scsi-cd", "scsi-block", "scsi-generic")),
    "scsi_controller_type": P("lsi", "controller of SCSI disks and CD drives",
                              ("lsi", "megasas", "virtio-scsi-pci")),
    "disk_cache": P("default", "host cache of disks; default is writeback",
                    ("default", "none", "writethrough", "writeback")),
    "disk_aio": P("threads", "how disk requests are made asynchronous",
                  ("threads", "native", "io_uring")),
    "virtio_disk_iothreads": P(0, "threads that serve paravirtual disks; they have an effect with "
                                  "disk_aio=native or io_uring only", between=(0, 8)),
    "disk_discard": P("default", "unmap: hand discards of the guest down; default ignores them",
                      ("default", "ignore", "unmap")),
    "nic_type": P("paravirtual", "model of network cards",
                  ("paravirtual", "e1000", "rtl8139", "pcnet", "ne2k_pci", "i82551", "i82557b",
                   "i82559er", "ne2k_isa")),
    "vhost_net": P(False, "network cards are served in the kernel"),
    "virtio_net_queues": P(1, "queues of a paravirtual network card; auto: as many as virtual CPUs",
                           between=(1, MOST_QUEUES), word=AUTO),
    "vnet_hdr": P(True, "hand offload information between tap device and guest"),
    # Consoles, screen, input
    "serial_console": P(True, "give the guest a serial console"),
    "serial_speed": P(38400, "speed of the serial console told to the kernel",
                      between=(1, 4_000_000)),
    "vnc_bind_address": P("", "address or interface, or folder for a unix socket, of the VNC "
                              "screen"),
    "vnc_password_file": P("", "file on the node with the password of the VNC screen"),
    "vnc_tls": P(False, "encrypt VNC"),
    "vnc_x509_path": P("", "folder with the certificates of VNC"),
    "vnc_x509_verify": P(False, "ask VNC clients for a certificate"),
    "vga": P("", "graphics card; empty: std with VNC, else none"),
    "keymap": P("", "keyboard layout of VNC"),
    "usb_mouse": P("", "pointing device on USB", ("", "mouse", "tablet")),
    "usb_devices": P("", "further devices on USB, comma separated"),
    "soundhw": P("", "sound cards, comma separated"),
    "spice_bind": P("", "address or interface of the SPICE screen"),
    "spice_ip_version": P(0, "IP version of SPICE where the interface has both; 0: any",
                          (0, 4, 6)),
    "spice_password_file": P("", "file on the node with SPICE's password"),
    "spice_image_compression": P("", "SPICE: image compression",
                                 ("", "auto_glz", "auto_lz", "quic", "glz", "lz", "off")),
    "spice_jpeg_wan_compression": P("", "SPICE: JPEG compression on slow links", LOSSY),
    "spice_zlib_glz_wan_compression": P("", "SPICE: lossless compression on slow links", LOSSY),
    "spice_streaming_video": P("", "SPICE: video stream detection", ("", "off", "all", "filter")),
    "spice_playback_compression": P(True, "SPICE: audio compression"),
    "spice_use_tls": P(False, "SPICE: encrypt, with the cluster's certificate for SPICE"),
    "spice_tls_ciphers": P("HIGH:-DES:-3DES:-EXPORT:-DH", "SPICE: ciphers"),
    "spice_use_vdagent": P(True, "SPICE: talk to the agent inside the guest"),
    # Migration
    "migration_bandwidth": P(32, "limit of a migration, MiB/s", is_global=True,
                             between=(1, 1 << 20)),
    "migration_downtime": P(30, "longest pause that a migration aims at, ms",
                            between=(1, 2_000_000)),
    "migration_caps": P("", "QEMU's migration capabilities to switch on, colon separated"),
    "migration_mode": P("live", "non-live: the guest is paused while it moves",
                        ("live", "non-live"), is_global=True),
    "migration_port": P(8102, "port that the target listens on; 8102: any free one",
                        is_global=True, between=(1, 65535)),
}

NEWER = frozenset({"boot_type", "virtio_disk_iothreads"})
"""Parameters that Ganeti 3.0 does not have."""

UNSUPPORTED_VALUES: dict[str, frozenset[str]] = {
    "disk_type": frozenset({"scsi", "sd", "mtd", "pflash", "floppy", "scsi-cd", "scsi-block",
                            "scsi-generic"}),
    "nic_type": frozenset({"ne2k_isa"}),
}
"""Values that Ganeti accepts and this driver does not."""


def schema() -> dict[str, Any]:
    """The JSON Schema of all parameters."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: p.schema() for name, p in sorted(PARAMETERS.items())},
    }


def filled(params: dict[str, Any]) -> dict[str, Any]:
    """Lay `params` over the defaults; what boots from its disks has no kernel of the node."""
    found = {name: p.default for name, p in PARAMETERS.items()} | params
    if found["boot_type"] in FIRMWARE:
        found |= {"kernel_path": "", "initrd_path": ""}
    return found


def queues(hvparams: Mapping[str, Any], vcpus: int) -> int:
    """How many queues each paravirtual network card has."""
    wanted = hvparams["virtio_net_queues"]
    return min(vcpus, MOST_QUEUES) if wanted == AUTO else int(wanted)


def refusal(name: str, value: object, why: str, ecode: str = ECODE_INVAL) -> OpPrereqError:
    """The error for a parameter that cannot have this value."""
    return OpPrereqError(f"kvm parameter {name}={value!r}: {why}", ecode)
