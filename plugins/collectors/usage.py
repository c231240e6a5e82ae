"""Collector ``instance-usage``: what the guests of the node read, write, receive and send.

Every hypervisor of the cluster is asked that can say it. Processor time is among the figures of
``inst-status``, which has it of all hypervisors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganeti_core.plugin_api import (
    Description,
    GanetiError,
    HookContext,
    NotSupported,
    codec,
    hookimpl,
)
from ganeti_core.plugin_api.data import Collected, Metric, Report
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage, NicUsage

from .instances import hypervisors

HELD = Metric("ganeti_instance_memory_held_bytes", "gauge",
              "Memory of the node that a running instance holds now", ("instance", "hypervisor"))


def _counter(name: str, title: str, label: str) -> Metric:
    return Metric(f"ganeti_instance_{label}_{name}_total", "counter", title,
                  ("instance", "hypervisor", label))


Counts = dict[Metric, Callable[[Any], int]]
DISKS: Counts = {
    _counter("reads", "Reads from a disk of an instance", "disk"): lambda one: one.reads,
    _counter("read_bytes", "Bytes read from a disk of an instance", "disk"):
        lambda one: one.read_bytes,
    _counter("writes", "Writes to a disk of an instance", "disk"): lambda one: one.writes,
    _counter("written_bytes", "Bytes written to a disk of an instance", "disk"):
        lambda one: one.written_bytes}
NICS: Counts = {
    _counter("received_packets", "Packets that have come to a card of an instance", "nic"):
        lambda one: one.received_packets,
    _counter("received_bytes", "Bytes that have come to a card of an instance", "nic"):
        lambda one: one.received_bytes,
    _counter("sent_packets", "Packets that a card of an instance has sent", "nic"):
        lambda one: one.sent_packets,
    _counter("sent_bytes", "Bytes that a card of an instance has sent", "nic"):
        lambda one: one.sent_bytes}
Found = list[tuple[str, GuestUsage]]
"""The hypervisor, and what it said of a guest."""


class InstanceUsage:
    """Asks hypervisors; it has no state, since all it reports are counts."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "What the instances of the node read, write, receive and send",
            category="instance", interval=10.0, metrics=(HELD, *DISKS, *NICS))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        found: Found = []
        problems = []
        for hypervisor in hypervisors(ctx):
            try:
                found += [(hypervisor, one)
                          for one in ctx.driver("hypervisors", hypervisor, "usage")]
            except NotSupported:
                continue  # it counts nothing
            except GanetiError as exc:
                problems.append(f"{hypervisor}: {exc}")
        return Collected(Report({
            "instances": [{"hypervisor": hypervisor, **codec.encode(one)}
                          for hypervisor, one in found],
            "problems": problems}, samples=_samples(found)))


def _samples(found: Found) -> dict[str, list[list[Any]]]:
    samples: dict[str, list[list[Any]]] = {
        HELD.name: [[one.name, hypervisor, int(one.memory * (1 << 20))]
                    for hypervisor, one in found]}
    for counts, devices in ((DISKS, _disks), (NICS, _nics)):
        for metric, count in counts.items():
            samples[metric.name] = [[one.name, hypervisor, str(device.index), count(device)]
                                    for hypervisor, one in found for device in devices(one)]
    return samples


def _disks(guest: GuestUsage) -> Sequence[DiskUsage]:
    return guest.disks


def _nics(guest: GuestUsage) -> Sequence[NicUsage]:
    return guest.nics
