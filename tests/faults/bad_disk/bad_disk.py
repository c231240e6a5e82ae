"""A master whose disk stops to keep what it is told: after SIGUSR2 its kernel answers every
``fsync`` and ``fdatasync`` with an I/O error, as for a disk that has lost its power.

It is a filter of system calls (seccomp), so what is tested is the whole way from the kernel up. No
process can take it back; only a new one is free of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct

SYNCING = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}
"""Numbers of the system calls seccomp, fsync and fdatasync by machine."""

LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER, ALL_THREADS = 38, 1, 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def refuse_to_sync() -> None:
    """From now on no thread of this process can make anything durable.

    :raises OSError: this kernel has no such filters
    """
    seccomp, fsync, fdatasync = SYNCING[os.uname().machine]
    steps = [(LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 1, 0, fsync), (JUMP_IF_EQUAL, 0, 1, fdatasync),
             (RETURN, 0, 0, FAIL | errno.EIO), (RETURN, 0, 0, ALLOW)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(steps), code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(
            seccomp, SECCOMP_SET_MODE_FILTER, ALL_THREADS, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


class Wrapper:
    """Loaded by the master like any wrapper of plugins; it only waits for the signal."""

    def __init__(self) -> None:
        signal.signal(signal.SIGUSR2, lambda _number, _frame: refuse_to_sync())
