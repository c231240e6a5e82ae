"""What is wrong on purpose with disk templates; run by `test_kit_finds_mistakes`."""

from wrong_drivers import Mistake

DISK = """
import os
import random
from dataclasses import replace
from pathlib import Path
import pytest
from ganeti_core.plugin_api import *
from ganeti_core.plugin_api.data import *
from ganeti_core.plugin_api.disk_steps import plain_steps
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context
from ganeti_core.plugin_api.testing.contracts import DiskTemplateContract
from ganeti_core.plugin_api.transfer import receive, send
from ganeti_plugins.disk_file import DisklessTemplate, FileTemplate

class Base(DiskTemplateContract):
    @pytest.fixture
    def ctx(self, tmp_path):
        (tmp_path / "srv/ganeti/file-storage").mkdir(parents=True)
        return make_context(tmp_path, config=declared_settings(FileTemplate()))
"""

DISK_MISTAKES = {
    "plans by chance": Mistake("test_layout_is_pure", """
        @hookimpl
        def layout(self, request, settings):
            disk = super().layout(request, settings)
            driver, path = disk.logical_id
            return replace(disk, logical_id=(driver, path + str(random.random())))"""),
    "puts into the disk what JSON changes": Mistake("test_layout_keeps", """
        @hookimpl
        def layout(self, request, settings):
            disk = super().layout(request, settings)
            return replace(disk, logical_id=(("tuple", "in"), "tuple"))"""),
    "forgets the name": Mistake("test_layout_keeps", """
        @hookimpl
        def layout(self, request, settings):
            return super().layout(replace(request, name=None), settings)"""),
    "plans the disk as another node sees it": Mistake("test_every_verb_is_planned_purely", """
        @hookimpl
        def steps(self, verb, disk, nodes, arguments, child_steps):
            return [replace(step, disk=replace(step.disk, here="another"))
                    for step in plain_steps(verb, disk, nodes, arguments, child_steps)]"""),
    "cannot take a creation back": Mistake("test_devices_are_made_on_each_node", """
        @hookimpl
        def steps(self, verb, disk, nodes, arguments, child_steps):
            return [replace(step, undo="")
                    for step in plain_steps(verb, disk, nodes, arguments, child_steps)]"""),
    "one identity for all": Mistake("test_identities_tell_disks_apart", """
        @hookimpl
        def identity(self, disk):
            return disk.instance"""),
    "sends another disk": Mistake("test_data_can_be_sent", """
        @hookimpl
        def send_data(self, ctx, disk, offer):
            return send(ctx, offer, [bytes(disk.size << 20)])"""),
    "writes beyond the disk": Mistake("test_data_can_be_sent", """
        @hookimpl
        def receive_data(self, ctx, disk, offer):
            with open(disk.path, "r+b") as file:
                return receive(ctx, offer, file.write)"""),
    "wipes a part": Mistake("test_what_was_written_can_be_wiped", """
        @hookimpl
        def wipe(self, ctx, disk, start):
            with open(disk.path, "r+b") as file:
                file.seek(start << 20)
                file.write(bytes(4096))"""),
    "does not list its devices": Mistake("test_a_created_device_is_there", """
        @hookimpl
        def devices(self, ctx):
            return []"""),
    "removes its neighbour": Mistake("test_a_removed_device_is_gone", """
        @hookimpl
        def remove(self, ctx, disk):
            import shutil
            shutil.rmtree(ctx.root / "srv/ganeti/file-storage/inst1.example.com", True)"""),
    "a second create wipes": Mistake("test_data_outlive_close", """
        @hookimpl
        def create(self, ctx, disk):
            super().remove(ctx, disk)
            super().create(ctx, disk)"""),
    "opens what is missing": Mistake("test_a_missing_device_cannot_be_opened", """
        @hookimpl
        def open(self, ctx, disk, exclusive):
            return OpenDisk("/dev/null")"""),
    "refuses to remove nothing": Mistake("test_closing_and_removing_a_missing", """
        @hookimpl
        def remove(self, ctx, disk):
            if not super().status(ctx, disk).exists:
                raise BlockDeviceError("it is not there")
            super().remove(ctx, disk)"""),
    "leaves a folder": Mistake("test_create_and_remove_leave_nothing", """
        @hookimpl
        def create(self, ctx, disk):
            super().create(ctx, disk)
            (ctx.keep / disk.uuid).mkdir(exist_ok=True)"""),
    "leaves a folder when it fails": Mistake("test_a_failed_create_leaves_nothing", """
        @hookimpl
        def create(self, ctx, disk):
            (ctx.keep / disk.uuid).mkdir(exist_ok=True)
            super().create(ctx, disk)"""),
    "makes the file before its size": Mistake("test_a_killed_create_can_be_removed_or", """
        @hookimpl
        def create(self, ctx, disk):
            path = Path(str(ctx.root) + disk.logical_id[1])
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.touch()
                os.truncate(path, disk.size * 1024**2)"""),
    "a killed remove stays": Mistake("test_a_killed_remove_can_be_finished", """
        @hookimpl
        def remove(self, ctx, disk):
            if super().status(ctx, disk).exists:
                (ctx.keep / "removing").touch()
                super().remove(ctx, disk)
                (ctx.keep / "removing").unlink()"""),
    "promises no growing but grows": Mistake("test_growing_is_offered_as_promised", """
        capabilities = frozenset({"local_space"})"""),
    "shrinks": Mistake("test_a_disk_never_shrinks", """
        @hookimpl
        def grow(self, ctx, disk, size):
            os.truncate(super().open(ctx, disk, True), size * 1024**2)"""),
    "a killed grow blocks the next": Mistake("test_a_killed_grow", """
        @hookimpl
        def grow(self, ctx, disk, size):
            with (ctx.keep / "growing").open("x"):
                super().grow(ctx, disk, size)
            (ctx.keep / "growing").unlink()"""),
    "grows nothing": Mistake("test_a_grown_disk_is_larger", """
        @hookimpl
        def grow(self, ctx, disk, size):
            super().open(ctx, disk, True)"""),
    "says bytes for MiB": Mistake("test_a_created_device_is_there", """
        @hookimpl
        def status(self, ctx, disk):
            found = super().status(ctx, disk)
            return replace(found, size=found.size // 1024)"""),
}

DISKLESS_MISTAKES = {
    "has disks after all": Mistake("test_a_template_has_disks_or_refuses", """
        @hookimpl
        def layout(self, request, nodes, settings):
            return FileTemplate().layout(request, nodes, {"file_storage_dir": "/x"})"""),
}
