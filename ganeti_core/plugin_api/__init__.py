"""All that a plugin imports: markers, contracts, the data passed to hooks, errors, helpers.

A plugin is a class whose hook methods carry `@hookimpl` and take the parameters they need by name.
It is found through an entry point of its kind's group (``ganeti.hypervisors``, ...); the entry
point's name is the name that users type. Everything here is at api 0 until a second, unlike driver
has passed the same conformance kit; see ``CHANGES.md``.
"""

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_STATE,
    BlockDeviceError,
    GanetiError,
    HypervisorError,
    NotMaster,
    NotSupported,
    OpExecError,
    OpPrereqError,
    OsScriptError,
)
from ganeti_core.patience import patience

from .context import DriverCaller, HookContext
from .data import (
    Console,
    Description,
    DiskSpec,
    InstanceSpec,
    NetworkLink,
    NicSpec,
    NodeRef,
)
from .host import measure_host
from .kinds import Kind, hookimpl, hookspec, where
from .run import CommandFailed, run_command

__all__ = [
    "ECODE_ENVIRON",
    "ECODE_EXISTS",
    "ECODE_INVAL",
    "ECODE_NOENT",
    "ECODE_STATE",
    "BlockDeviceError",
    "CommandFailed",
    "Console",
    "Description",
    "DiskSpec",
    "DriverCaller",
    "GanetiError",
    "HookContext",
    "HypervisorError",
    "InstanceSpec",
    "Kind",
    "NetworkLink",
    "NicSpec",
    "NodeRef",
    "NotMaster",
    "NotSupported",
    "OpExecError",
    "OpPrereqError",
    "OsScriptError",
    "hookimpl",
    "hookspec",
    "measure_host",
    "patience",
    "run_command",
    "where",
]
