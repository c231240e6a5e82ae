"""Machines of the lab: Debian under QEMU, for what needs a kernel of its own.

Device-mapper, LVM, DRBD and power failures are things of a kernel, which a namespace shares with
its host. `image` builds the disk that all machines start from, once; `machine` is one of them;
`fleet` starts several on two networks, restored from the state of one that was booted and saved.
Without KVM they run under QEMU's own emulation, several times slower than the host.

All that is kept lies below ``$GANETI_LAB``, ``/var/tmp/ganeti-lab`` where that is not set.
"""
