"""A driver without a way of its own to reset its host lets the kernel do it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import Description, HypervisorError, hookimpl
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.power import reset_by
from ganeti_core.plugin_api.processes import kept
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugins import PluginHost
from ganeti_plugins.hv_fake import FakeHypervisor


class Plain:
    """Has what the contract demands, and nothing more."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Plain")


for _hook in set(HYPERVISORS.spec.__dict__) - {"describe"} - HYPERVISORS.optional:
    if not _hook.startswith("_"):
        setattr(Plain, _hook, getattr(FakeHypervisor, _hook))


def test_a_node_of_a_virtual_cluster_is_not_reset(tmp_path: Path) -> None:
    host = PluginHost()
    host.add(HYPERVISORS, "plain", Plain())
    with pytest.raises(HypervisorError, match=r"virtual cluster.*its host is not reset"):
        host.driver(HYPERVISORS, "plain").power_cycle(ctx=make_context(tmp_path))


def test_a_kernel_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    ctx = replace(make_context(tmp_path), root=Path("/"))
    with pytest.raises(HypervisorError, match="sysrq-trigger cannot be written"):
        reset_by(ctx, tmp_path / "proc", 0.0)


def test_the_kernel_is_asked_after_the_hook_has_returned_and_once(tmp_path: Path) -> None:
    ctx = replace(make_context(tmp_path), root=Path("/"))
    kernel = tmp_path / "proc"
    (kernel / "sys/kernel").mkdir(parents=True)
    trigger = kernel / "sysrq-trigger"
    trigger.touch()
    for _ in range(2):
        assert reset_by(ctx, kernel, 6.0) == "Reboot scheduled in 6 seconds"
        assert len(kept(ctx)) == 1
        assert trigger.read_text() == ""
    until = time.monotonic() + 100
    while trigger.read_text() != "b\n":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (kernel / "sys/kernel/sysrq").read_text() == "1\n"
