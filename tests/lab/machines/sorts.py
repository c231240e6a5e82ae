"""What sorts of machines there are: by what is installed, and by how QEMU starts them."""

from __future__ import annotations

from dataclasses import dataclass

MEMORY = 768
XEN_RELEASE = "4.17"


@dataclass(frozen=True)
class Sort:
    """One sort of machines.

    :param name: as options and files have it; empty: the usual sort
    :param packages: what is installed beside that which all machines have
    :param cpu: the processor that QEMU emulates
    :param memory: MiB, of the whole machine
    :param xen: the system runs as the first domain of Xen
    :param systemd: it is the init system, instead of busybox
    """

    name: str = ""
    packages: tuple[str, ...] = ()
    cpu: str = "Nehalem"
    memory: int = MEMORY
    xen: bool = False
    systemd: bool = False


USUAL = Sort()
XEN = Sort("xen", (f"xen-utils-{XEN_RELEASE}", f"xen-hypervisor-{XEN_RELEASE}-amd64",
                   "xenstore-utils"), memory=1536, xen=True)
"""Paravirtual domains only: hardware support would be emulated twice."""
SVM = Sort("svm", cpu="qemu64,+svm,+npt")
"""A processor that has AMD's support for virtual machines: there is KVM, slowly."""
CONTAINERS = Sort("containers", ("lxc", "criu", "iptables", "apparmor"))
"""With LXC, its profiles of AppArmor, and CRIU, which saves processes."""
SYSTEMD = Sort("systemd", ("dbus", "systemd", "systemd-sysv"), systemd=True)
"""As hosts are: the package's units are started, watched and stopped."""
SORTS = {sort.name: sort for sort in (USUAL, XEN, SVM, CONTAINERS, SYSTEMD)}
