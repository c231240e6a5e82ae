"""Wrappers around every hook of a node: the n-th call in the whole cluster goes wrong.

The order is a JSON file that all nodes share, named by the environment. Calls are counted down in
it; the one that finds 1 is struck, and its name is left there for the test to tell.
"""

from __future__ import annotations

import fcntl
import functools
import inspect
import json
import os
import signal
import time
from pathlib import Path

from ganeti_core.plugin_api import BlockDeviceError, HypervisorError, hookimpl
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS

VARIABLE = "GANETI_STRIKE_FILE"
ERRORS = {"hypervisors": HypervisorError, "disk_templates": BlockDeviceError}
LATE = 8.0
"""Seconds, more than a master waits for a call whose limit the tests have shortened."""
PID_FILE = "var/run/ganeti/ganeti-noded.pid"


def around_hypervisors():
    return Striking(HYPERVISORS)


def around_disk_templates():
    return Striking(DISK_TEMPLATES)


def around_os_definitions():
    return Striking(OS_DEFINITIONS)


class Striking:
    """A wrapper for each hook of one kind that runs on a node."""

    def __init__(self, kind):
        for name, hook in kind.hooks().items():
            if "ctx" in inspect.signature(hook).parameters and name != "recover":
                where = kind.hook_where(name)
                setattr(self, name, hookimpl(wrapper=True)(_wrapper(kind, hook, where)))


def _wrapper(kind, hook, where):
    names = [name for name in inspect.signature(hook).parameters if name != "self"]
    error = ERRORS.get(kind.name, HypervisorError)

    @functools.wraps(hook)
    def wrapper(*values):
        ctx = values[names.index("ctx")]
        mode = _ordered(f"{ctx.node} {kind.name} {hook.__name__}", where.changes)
        if mode == "fail-before":
            raise error("it fails on order")
        if mode == "kill-before":
            _kill_daemon(ctx)
        result = yield
        if mode == "fail-after":
            raise error("it fails on order, having acted")
        if mode == "kill-after":
            _kill_daemon(ctx)
        if mode == "slow":
            # A quick one runs in a thread, which nobody can end: it answers too late, but does.
            time.sleep(LATE if where.quick else 3600)
        return result

    return wrapper


def _ordered(what, changes):
    """Count this call; the mode when it is the one to strike."""
    try:
        file = open(os.environ[VARIABLE], "r+")  # noqa: SIM115  # closed below
    except (KeyError, FileNotFoundError):
        return ""
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        order = json.load(file)
        if not changes and not order.get("questions"):
            return ""
        order["left"] -= 1
        order["calls"].append(what)
        file.seek(0)
        file.truncate()
        json.dump(order, file)
    return order["mode"] if order["left"] == 0 else ""


def _kill_daemon(ctx):
    """Kill the node's daemon; this hook must not go on."""
    daemon = int((Path(ctx.root) / PID_FILE).read_text())
    Path(f"{os.environ[VARIABLE]}.killed").write_text(str(daemon))
    os.kill(daemon, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
