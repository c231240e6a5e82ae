"""Can the nodes hold disks of the templates that a change of the cluster lets instances have?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_settings import declared, filled_settings
from ganeti_core.rpc.calls import hook_call

if TYPE_CHECKING:
    from ganeti_core.model import Cluster
    from ganeti_core.operations.context import OpContext


def warn_of_templates(ctx: OpContext, after: Cluster) -> None:
    """Name the nodes that cannot hold disks of templates that are enabled, or set otherwise.

    That is no error: a node may be there for other instances.

    :param after: the cluster as it is going to be
    """
    nodes = [node for node in ctx.snapshot.nodes.values() if node.vm_capable and not node.offline]
    settings = {**ctx.settings, **filled_settings(ctx.host, after.settings)}
    for template in _touched(ctx, after):
        call = hook_call(DISK_TEMPLATES, template, "verify", settings=settings)
        answers = ctx.fan_out(nodes, lambda _node, call=call: call)  # type: ignore[misc]
        for node in nodes:
            for problem in _problems(answers[node.uuid]):
                ctx.warn(f"Disks of the template {template} cannot be on node {node.name}: "
                         f"{problem}")


def _touched(ctx: OpContext, after: Cluster) -> list[str]:
    before = ctx.snapshot.cluster
    old, new = (filled_settings(ctx.host, one.settings) for one in (before, after))
    touched = {user.name for name, setting in declared(ctx.host).items() for user in setting.users
               if user.kind.name == DISK_TEMPLATES.name and old.get(name) != new.get(name)}
    touched |= set(after.enabled_disk_templates) - set(before.enabled_disk_templates)
    return [name for name in after.enabled_disk_templates if name in touched]


def _problems(answer: Any) -> list[str]:
    if isinstance(answer, GanetiError):
        return [str(answer)]
    return [one if isinstance(one, str) else one["message"] for one in answer]
