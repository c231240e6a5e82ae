"""Put a system on an instance's disks: on the node, or away from it in a helper guest.

An OS definition that is not trusted is not run on the node: a helper guest is booted from the
cluster's install image with the disks, and gets what the definition has packed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.instance.helper_guest import STARTUP, Helper, check_helper, run_helper
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec, OsInfo

INSTALLING = 7200.0
"""Seconds until a helper guest must have installed, unless others are asked for."""


@dataclass(frozen=True)
class Limits:
    """Seconds that a helper guest has to start, and until it must have shut down."""

    startup: float = STARTUP
    work: float = INSTALLING


def check_installation(ctx: OpContext, instance: Instance, node: Node) -> bool:
    """Return whether a helper guest is needed to install an instance, after seeing that it can be.

    :raises OpPrereqError: it is needed, and there is none (`ECODE_INVAL`)
    """
    name = instance.os.partition("+")[0]
    info: OsInfo = ctx.hook(node, OS_DEFINITIONS, name, "info")
    if info.trusted:
        return False
    if not ctx.snapshot.cluster.install_image:
        raise OpPrereqError(
            f"OS {name} is not trusted to install on nodes, and there is no install image for a "
            "helper guest; gnt-cluster modify --install-image sets it", ECODE_INVAL)
    check_helper(ctx, instance, node, ctx.snapshot.cluster.install_image)
    return True


def limits_of(op: InstanceCreate, *, helped: bool) -> Limits:
    """Return the limits that are asked for.

    :raises OpPrereqError: they make no sense, or nothing heeds them (`ECODE_INVAL`)
    """
    asked = {"helper_startup_timeout": op.helper_startup_timeout,
             "helper_shutdown_timeout": op.helper_shutdown_timeout}
    for name, value in asked.items():
        if value is not None and not helped:
            raise OpPrereqError(
                f"The parameter '{name}' is for instances that a helper guest installs: those of "
                "an OS definition that is not trusted (gnt-os diagnose)", ECODE_INVAL)
        if value is not None and value < 1:
            raise OpPrereqError(f"{name} is {value}: it must be 1 second at least", ECODE_INVAL)
    return Limits(float(op.helper_startup_timeout or STARTUP),
                  float(op.helper_shutdown_timeout or INSTALLING))


def install(
    ctx: OpContext, instance: Instance, node: Node, told: InstanceSpec, *, reinstall: bool,
    helped: Limits | None = None,
) -> None:
    """Install on the open disks of `told`, which has secret parameters, too.

    :param helped: the limits of the helper guest that does so; None: the node does
    :raises GanetiError: it failed
    """
    name, _, variant = told.os.partition("+")
    if helped is None:
        ctx.hook(node, OS_DEFINITIONS, name, "create", subject=instance.uuid, instance=told,
                 variant=variant, reinstall=reinstall)
        return

    def pack(path: str) -> None:
        ctx.hook(node, OS_DEFINITIONS, name, "package", subject=instance.uuid, instance=told,
                 variant=variant, reinstall=reinstall, path=path)

    run_helper(ctx, Helper(ctx.current.cluster.install_image, "Running OS create script",
                           helped.work, helped.startup, pack), instance, node, told)
