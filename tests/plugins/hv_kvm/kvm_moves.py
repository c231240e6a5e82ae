"""Two nodes that share the disk's file, and a guest on its way between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ganeti_core.plugin_api import HookContext, InstanceSpec, NodeRef
from ganeti_core.plugin_api.data import MigrationOffer, MigrationStatus, MigrationTarget
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.qmp import Qmp

TARGET = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")
LONG = 60.0


@dataclass(frozen=True)
class Trip:
    """The instance runs on `source`, and is to run on `target`; each step as the master takes it.
    """

    kvm: KvmHypervisor
    source: HookContext
    target: HookContext
    instance: InstanceSpec

    def with_params(self, **params: object) -> Trip:
        """The same with other parameters in its configuration."""
        hvparams = {**self.instance.hvparams, **params}
        return replace(self, instance=replace(self.instance, hvparams=hvparams))

    def qmp(self, end: HookContext) -> Qmp:
        return Qmp.connect(end.state / self.instance.name / "control")

    def offer(self) -> MigrationOffer:
        return self.kvm.migration_offer(self.source, self.instance)

    def prepare(self, offer: MigrationOffer | None = None) -> MigrationTarget:
        return self.kvm.migration_prepare(
            self.target, self.instance, TARGET, offer or self.offer())

    def send(self, *, live: bool = True) -> None:
        self.kvm.migrate_out(self.source, self.instance, self.prepare(), live)

    def status(self) -> MigrationStatus:
        return self.kvm.migration_status(self.source, self.instance)

    def wait(self) -> MigrationStatus:
        """Wait until the transfer has ended, or will never end."""
        deadline = time.monotonic() + LONG
        while (status := self.status()).state == "active" and not status.endless:
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def finish(self, *, success: bool) -> None:
        self.kvm.migration_finish(self.target, self.instance, False, success)
        self.kvm.migration_finish(self.source, self.instance, True, success)

    def give_up(self) -> None:
        self.kvm.migration_abort(self.source, self.instance)
        self.finish(success=False)

    def runs_on(self) -> list[str]:
        return [ctx.node for ctx in (self.source, self.target)
                for guest in self.kvm.running(ctx) if guest.state == "running"]
