"""How QEMU is told what to do, by its machine protocol."""

from __future__ import annotations

from ganeti_core.plugin_api import HypervisorError
from ganeti_core.plugin_api.qmp import ANSWER_LIMIT, QmpClient, QmpRefusal

__all__ = ["ANSWER_LIMIT", "Qmp", "QmpRefused", "QmpUnreachable"]


class QmpUnreachable(HypervisorError):
    """QEMU is not there, hangs, or hung up."""


class QmpRefused(QmpRefusal, HypervisorError):
    """QEMU answered a command with an error; `error_class` is QMP's class of it."""


class Qmp(QmpClient):
    """One connection to one QEMU; a context manager.

    :raises QmpUnreachable: (all methods) it is not there, hangs, or hung up
    :raises QmpRefused: (`execute`) it said no
    """

    who, lost, refused = "QEMU", QmpUnreachable, QmpRefused
