"""Prerequisites of what can be done only with a stopped instance, and OS definitions' checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.operations.instance.running import primary_of, running_on
from ganeti_core.operations.parameters import os_parameters
from ganeti_core.operations.specs import installing, spec_of
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.cluster.settings_context import SettingsContext
    from ganeti_core.operations.context import OpContext


def stopped_on(ctx: OpContext, instance: Instance, reason: str) -> Node:
    """The primary node of an instance that does not run.

    :param reason: what cannot be done otherwise, as the end of the message
    :raises OpPrereqError: it is wanted to run, or runs, or its node is offline (`ECODE_STATE`)
    """
    if instance.admin_state == "up":
        raise OpPrereqError(f"Instance '{instance.name}' is marked to be up, {reason}", ECODE_STATE)
    node = primary_of(ctx, instance)
    check_not_running(ctx, instance, node, reason)
    return node


def check_not_running(ctx: OpContext, instance: Instance, node: Node, reason: str) -> None:
    """:raises OpPrereqError: the guest runs (`ECODE_STATE`), whatever is wanted"""
    if running_on(ctx, instance, node) is not None:
        raise OpPrereqError(f"Instance '{instance.name}' is running, {reason}", ECODE_STATE)


def check_has_disks(instance: Instance) -> None:
    """:raises OpPrereqError: it has none (`ECODE_INVAL`)"""
    if not instance.disks:
        raise OpPrereqError(f"Instance '{instance.name}' has no disks", ECODE_INVAL)


def check_os(
    ctx: OpContext, instance: Instance, node: Node, secret: Mapping[str, Any] | None = None,
    *, force_variant: bool = False,
) -> None:
    """Ask the node whether it can install `instance`, as it will be, with its OS definition.

    :raises OpExecError: it cannot; the text is that of the definition
    """
    name, _, variant = instance.os.partition("+")
    spec = installing(ctx, spec_of(ctx, instance), instance, os_parameters(secret))
    check_os_parameters(ctx, node, (name, variant), spec.osparams, force_variant=force_variant)


def check_os_parameters(
    ctx: SettingsContext, node: Node, system: tuple[str, str], params: Mapping[str, str], *,
    force_variant: bool = False,
) -> None:
    """Let an OS definition check parameters.

    :param system: name and variant of the definition

    :raises OpExecError: it refuses them, or cannot be asked; the text is that of the definition
    """
    name, variant = system
    try:
        ctx.hook(node, OS_DEFINITIONS, name, "validate", variant=variant, params=params,
                 force_variant=force_variant)
    except GanetiError as exc:
        raise OpExecError(f"OS Parameters validation failed on node {node.name}: "
                          f"{exc.message}") from exc
