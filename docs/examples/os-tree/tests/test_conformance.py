import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganeti_core.plugin_api import HookContext, InstanceSpec
from ganeti_core.plugin_api.os import DiskStream, OsSpec
from ganeti_core.plugin_api.testing.streams import given_to, sent_by
from ganeti_core.plugin_api.transfer import Offer
from ganeti_os_tree.conformance import TestTreeSystem as Conformance


class TestTreeSystem(Conformance):
    def test_the_files_and_the_name_are_there(
        self, system: OsSpec, ctx: HookContext, instance: InstanceSpec
    ) -> None:
        system.create(ctx=ctx, instance=instance, variant="folder", reinstall=False)
        shown = [subprocess.run(["debugfs", "-R", f"cat etc/{name}", instance.disks[0].path],
                                capture_output=True, text=True, check=True).stdout
                 for name in ("motd", "hostname")]
        assert shown == ["Welcome\n", f"{instance.name}\n"]

    def test_the_file_system_grows_with_its_disk(
        self, system: OsSpec, streaming: HookContext, instance: InstanceSpec,
        export: Callable[[Offer], int],
    ) -> None:
        system.create(ctx=streaming, instance=instance, variant="folder", reinstall=False)
        data = sent_by(streaming, export)
        disk = replace(instance.disks[0], size=32)
        with Path(disk.path).open("wb") as file:
            file.truncate(32 * 1024**2)
        given_to(streaming, data, lambda offer: system.import_disk(
            ctx=streaming, instance=instance, variant="folder", stream=DiskStream(disk, offer)))
        told = subprocess.run(["dumpe2fs", "-h", disk.path],
                              capture_output=True, text=True, check=True).stdout
        fields = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
        assert int(fields["Block count"]) * int(fields["Block size"]) == 32 * 1024**2
