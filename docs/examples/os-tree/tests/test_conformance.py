import subprocess

from ganeti_core.plugin_api import HookContext, InstanceSpec
from ganeti_core.plugin_api.os import OsSpec
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
