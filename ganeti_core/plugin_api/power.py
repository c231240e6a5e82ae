"""Resetting a host whose system may not react any more: the kernel does it at once, by sysrq."""

from __future__ import annotations

import os
from pathlib import Path

from ganeti_core.errors import HypervisorError

from .context import HookContext
from .processes import begin, kept

DELAY = 5.0
"""Seconds until the reset, for the answer to reach who asked for it."""
_NAME = "power-cycle"
_RESET = 'sleep "$0"; echo 1 >"$1/sys/kernel/sysrq"; echo b >"$1/sysrq-trigger"'


def linux_power_cycle(ctx: HookContext) -> str:
    """Reset the host a moment from now, without ending anything before.

    :raises HypervisorError: this is a node of a virtual cluster, or the kernel cannot be asked to
    """
    return reset_by(ctx, Path("/proc"), DELAY)


def reset_by(ctx: HookContext, kernel: Path, delay: float) -> str:
    """As `linux_power_cycle`, by the files of the kernel in a folder."""
    if ctx.root != Path("/"):
        raise HypervisorError(
            f"node {ctx.node} is one of a virtual cluster, whose files lie below {ctx.root}: its "
            "host is not reset")
    trigger = kernel / "sysrq-trigger"
    if not os.access(trigger, os.W_OK):
        raise HypervisorError(
            f"the kernel of node {ctx.node} cannot be asked for a reset: {trigger} cannot be "
            "written")
    if _NAME not in kept(ctx):
        begin(ctx, _NAME, ["sh", "-c", _RESET, str(delay), str(kernel)])
    return f"Reboot scheduled in {delay:g} seconds"
