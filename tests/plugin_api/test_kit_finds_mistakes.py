"""The kit on drivers that are wrong on purpose: each fails in the test meant for its mistake."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Imported here once: what only the inner runs import would be imported anew by each of them.
import kit_toys
import pytest

import ganeti_plugins.disk_file
import ganeti_plugins.hv_fake
from ganeti_core.plugin_api.testing import contracts, footprint
from ganeti_core.plugin_api.testing.calls import CALL_MODES

assert kit_toys, ganeti_plugins

pytest_plugins = ["pytester"]

HYPERVISOR = """
import threading
import time
from dataclasses import replace
import pytest
from ganeti_core.plugin_api import *
from ganeti_core.plugin_api.data import *
from ganeti_core.plugin_api.testing.contracts import HypervisorContract
from ganeti_plugins.hv_fake import FakeHypervisor
from ganeti_plugins.hv_fake.guests import GuestFiles

class Base(HypervisorContract):
    @pytest.fixture
    def instance(self):
        return InstanceSpec(uuid="u1", name="inst1", hypervisor="fake",
                            beparams={"maxmem": 256, "vcpus": 2})

    @pytest.fixture
    def unbootable(self, instance):
        return replace(instance, name="bad/name", uuid="u2")

    @pytest.fixture
    def unusable_params(self):
        return [{"migration_mode": "sideways"}]
"""

DISK = """
import os
import random
from dataclasses import replace
from pathlib import Path
import pytest
from ganeti_core.plugin_api import *
from ganeti_core.plugin_api.data import *
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import DiskTemplateContract
from ganeti_plugins.disk_file import DisklessTemplate, FileTemplate

class Base(DiskTemplateContract):
    @pytest.fixture
    def ctx(self, tmp_path):
        (tmp_path / "srv/ganeti/file-storage").mkdir(parents=True)
        return make_context(tmp_path)
"""

TOY = """
import pytest
from dataclasses import replace
from kit_toys import *
from ganeti_core.plugin_api import *
from ganeti_core.plugin_api.testing.contracts import *

class Fixtures:
    variant = "short"

    @pytest.fixture
    def instance(self, tmp_path):
        (tmp_path / "disk").write_bytes(bytes(64))
        disk = DiskSpec(uuid="d1", index=0, template="file", size=1, path=str(tmp_path / "disk"))
        return InstanceSpec(uuid="u1", name="inst1.example.com", hypervisor="fake", disks=(disk,))

    @pytest.fixture
    def uninstallable(self, instance):
        return replace(instance, disks=(replace(instance.disks[0], path="/nonexistent/disk"),))

    @pytest.fixture
    def unusable_params(self):
        return [{"anything": "x"}]
"""

WRONG = """
class Wrong{number}({driver}):
{mistake}

class TestWrong{number}({contract}):
    @pytest.fixture
    def driver(self):
        return Wrong{number}()
"""


@dataclass(frozen=True)
class Mistake:
    """A wrong driver; the test that must fail, by how its name begins; and in which modes."""

    test: str
    body: str
    modes: frozenset[str] = frozenset(CALL_MODES)


WIRE, DIRECT = frozenset({"wire"}), frozenset({"direct"})


HYPERVISOR_MISTAKES = {
    "speaks a newer API": Mistake("test_describe_names_an_api_version", """
        @hookimpl
        def describe(self):
            return replace(super().describe(), api_version=99)"""),
    "a default that breaks the schema": Mistake("test_defaults_keep_the_schema", """
        @hookimpl
        def describe(self):
            return replace(super().describe(), parameters={"type": "object", "properties": {
                "speed": {"type": "integer", "default": "fast", "description": "How fast"}}})"""),
    "a parameter without a description": Mistake("test_every_parameter_tells", """
        @hookimpl
        def describe(self):
            return replace(super().describe(), parameters={"type": "object", "properties": {
                "speed": {"type": "integer", "default": 1}}})"""),
    "no JSON schema": Mistake("test_parameters_are_a_json_schema", """
        @hookimpl
        def describe(self):
            return replace(super().describe(), parameters={"type": "thing"})"""),
    "promises what it lacks": Mistake("test_capabilities_and_hooks_agree", """
        @hookimpl
        def describe(self):
            found = super().describe()
            return replace(found, capabilities=found.capabilities | {"hotplug"})"""),
    "has what it does not promise": Mistake("test_capabilities_and_hooks_agree", """
        @hookimpl
        def describe(self):
            return replace(super().describe(), capabilities=frozenset())"""),
    "lacks a hook": Mistake("test_required_hooks_are_there", """
        console = None"""),
    "a default value in a hook": Mistake("test_hooks_take_plain_parameters", """
        @hookimpl
        def info(self, ctx, name="x"):
            return super().info(ctx, name)"""),
    "refuses a second start": Mistake("test_starting_twice", """
        @hookimpl
        def start(self, ctx, instance, paused):
            if super().info(ctx, instance.name):
                raise HypervisorError("runs already")
            super().start(ctx, instance, paused)"""),
    "refuses to stop nobody": Mistake("test_an_unknown_guest_is_nobody", """
        @hookimpl
        def stop(self, ctx, name, force, timeout):
            if not super().info(ctx, name):
                raise HypervisorError("who?")
            super().stop(ctx, name, force, timeout)"""),
    "an error of its own kind": Mistake("test_an_unknown_guest_is_nobody", """
        @hookimpl
        def reboot(self, ctx, instance):
            raise RuntimeError("oops")"""),
    "answers a tuple for a list": Mistake("test_a_started_guest_is_listed", """
        @hookimpl
        def running(self, ctx):
            return tuple(super().running(ctx))""", modes=WIRE),
    "answers a dict for an object": Mistake("test_the_console_tells", """
        @hookimpl
        def info(self, ctx, name):
            return None
        @hookimpl
        def console(self, ctx, instance, node):
            return {"kind": "msg"}"""),
    "tells a wrong memory": Mistake("test_a_started_guest_is_listed", """
        @hookimpl
        def running(self, ctx):
            return [replace(guest, memory=1) for guest in super().running(ctx)]"""),
    "the console starts something": Mistake("test_the_console_tells", """
        @hookimpl
        def console(self, ctx, instance, node):
            (ctx.state / "console.sock").touch()
            return super().console(ctx, instance, node)"""),
    "accepts any parameter": Mistake("test_unusable_parameters_are_refused", """
        @hookimpl
        def validate(self, ctx, params):
            pass"""),
    "forgets a file at the end": Mistake("test_start_and_stop_leave_nothing", """
        @hookimpl
        def start(self, ctx, instance, paused):
            super().start(ctx, instance, paused)
            (ctx.state / (instance.name + ".pid")).touch()"""),
    "forgets a process at the end": Mistake("test_start_and_stop_leave_nothing", """
        @hookimpl
        def start(self, ctx, instance, paused):
            super().start(ctx, instance, paused)
            if instance.name == "inst1":
                import subprocess
                self.child = subprocess.Popen(["sleep", "8"], cwd=ctx.root)
        def __del__(self):
            if child := getattr(self, "child", None):
                child.kill()
                child.wait()"""),
    "forgets a file at a failure": Mistake("test_a_failed_start_leaves_nothing", """
        @hookimpl
        def start(self, ctx, instance, paused):
            (ctx.state / (instance.uuid + ".pid")).touch()
            super().start(ctx, instance, paused)"""),
    "cannot be killed in the middle": Mistake("test_a_killed_start_can_be_cleaned", """
        @hookimpl
        def start(self, ctx, instance, paused):
            lock = ctx.state / "start.lock"
            lock.touch()
            super().start(ctx, instance, paused)
            lock.unlink()"""),
    "a half finished stop stays": Mistake("test_a_killed_stop_can_be_finished", """
        @hookimpl
        def stop(self, ctx, name, force, timeout):
            if not super().info(ctx, name):
                return
            (ctx.state / "stopping").touch()
            super().stop(ctx, name, force, timeout)
            (ctx.state / "stopping").unlink()"""),
    "remembers its guests in memory only": Mistake("test_guests_outlive_the_daemon", """
        def __init__(self):
            self.mine = set()
        @hookimpl
        def start(self, ctx, instance, paused):
            self.mine.add(instance.name)
            super().start(ctx, instance, paused)
        @hookimpl
        def running(self, ctx):
            return [guest for guest in super().running(ctx) if guest.name in self.mine]"""),
    "two starts use one file": Mistake("test_two_guests_can_start", """
        @hookimpl
        def start(self, ctx, instance, paused):
            with (ctx.state / "one-at-a-time").open("x"):
                time.sleep(0.1)
            super().start(ctx, instance, paused)
            (ctx.state / "one-at-a-time").unlink()"""),
    "the receiver counts as running": Mistake("test_migration_moves_the_guest", """
        @hookimpl
        def migration_prepare(self, ctx, instance, node):
            target = super().migration_prepare(ctx, instance, node)
            FakeHypervisor.start(self, ctx, instance, False)
            return target"""),
    "the source runs on": Mistake("test_migration_moves_the_guest", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            super().migration_finish(ctx, instance, source, success and not source)"""),
    "the source keeps a file": Mistake("test_the_source_keeps_nothing", """
        @hookimpl
        def migrate_out(self, ctx, instance, target, live):
            (ctx.state / "migration.log").touch()
            super().migrate_out(ctx, instance, target, live)"""),
    "finishes once only": Mistake("test_finishing_twice_is_harmless", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if super().info(ctx, instance.name):
                raise HypervisorError("it is finished")
            super().migration_finish(ctx, instance, source, success)"""),
    "an abort loses the guest": Mistake("test_an_aborted_transfer", """
        @hookimpl
        def migration_abort(self, ctx, name):
            GuestFiles(ctx.state).drop(name)"""),
    "a lost target loses the guest": Mistake("test_a_guest_survives_a_target", """
        @hookimpl
        def migration_abort(self, ctx, name):
            pass
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if not source or success:
                super().migration_finish(ctx, instance, source, success)"""),
    "a killed receiver stays": Mistake("test_a_killed_receiver", """
        @hookimpl
        def migration_prepare(self, ctx, instance, node):
            (ctx.state / "receiving").touch()
            target = super().migration_prepare(ctx, instance, node)
            (ctx.state / "receiving").unlink()
            return target"""),
    "sends what does not run": Mistake("test_a_guest_that_does_not_run", """
        @hookimpl
        def migrate_out(self, ctx, instance, target, live):
            pass"""),
}

DISK_MISTAKES = {
    "plans by chance": Mistake("test_layout_is_pure", """
        @hookimpl
        def layout(self, request, nodes, settings):
            plan = super().layout(request, nodes, settings)
            driver, path = plan.disk.logical_id
            disk = replace(plan.disk, logical_id=(driver, path + str(random.random())))
            return DiskPlan(disk, (DeviceStep(nodes[0].name, disk),))"""),
    "puts into the disk what JSON changes": Mistake("test_layout_keeps", """
        @hookimpl
        def layout(self, request, nodes, settings):
            plan = super().layout(request, nodes, settings)
            disk = replace(plan.disk, logical_id=(("tuple", "in"), "tuple"))
            return replace(plan, disk=disk)""", modes=WIRE),
    "forgets the name": Mistake("test_layout_keeps", """
        @hookimpl
        def layout(self, request, nodes, settings):
            return super().layout(replace(request, name=None), nodes, settings)"""),
    "one identity for all": Mistake("test_identities_tell_disks_apart", """
        @hookimpl
        def identity(self, disk):
            return disk.instance"""),
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
            return "/dev/null" """),
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

TOY_MISTAKES = {
    ("Allocator", "IallocatorContract"): {
        "an unknown node": Mistake("test_an_instance_gets_a_node", """
            @hookimpl
            def solve(self, request):
                return super().solve(request) | {"result": ["node99"]}"""),
        "no room is an error": Mistake("test_no_room_is_an_answer", """
            @hookimpl
            def solve(self, request):
                answer = super().solve(request)
                if not answer["success"]:
                    raise OpExecError("no room")
                return answer"""),
        "changes the request": Mistake("test_solving_changes_neither", """
            @hookimpl
            def solve(self, request):
                answer = super().solve(request)
                request["nodes"].clear()
                return answer""", modes=DIRECT),
        "promises nonsense": Mistake("test_the_request_types_that_it_promises", """
            @hookimpl
            def describe(self):
                return replace(super().describe(), capabilities=frozenset({"magic"}))"""),
        "succeeds at anything": Mistake("test_an_unknown_request_is_no_success", """
            @hookimpl
            def solve(self, request):
                return {"success": True, "info": "", "result": []}"""),
        "claims what it does not promise": Mistake("test_a_relocated_instance_goes_elsewhere", """
            @hookimpl
            def solve(self, request):
                if request["request"]["type"] == "relocate":
                    return {"success": True, "info": "", "result": ["node2.example.com"]}
                return super().solve(request)"""),
        "answers half": Mistake("test_an_instance_gets_a_node", """
            @hookimpl
            def solve(self, request):
                return {"success": True, "result": ["node1.example.com"]}"""),
    },
    ("Collector", "CollectorContract"): {
        "an unknown category": Mistake("test_the_category_is_one", """
            @hookimpl
            def describe(self):
                return replace(super().describe(), capabilities=frozenset({"category:odd"}))"""),
        "a status without a code": Mistake("test_a_report_is_of_performance", """
            @hookimpl
            def collect(self):
                return replace(super().collect(), data={"status": {}})"""),
        "leaves files": Mistake("test_collecting_changes_nothing", """
            @hookimpl
            def collect(self, ctx):
                (ctx.state / str(len(list(ctx.state.iterdir())))).touch()
                return super().collect()"""),
        "bytes in the data": Mistake("test_a_report_has_data", """
            @hookimpl
            def collect(self):
                return replace(super().collect(), data={"raw": b"x"})""", modes=WIRE),
    },
    ("System", "OsContract"): {
        "takes any variant": Mistake("test_an_unknown_variant_is_refused", """
            @hookimpl
            def validate(self, params):
                super().validate("short", params)"""),
        "takes any parameter": Mistake("test_an_unknown_parameter_is_refused", """
            @hookimpl
            def validate(self, variant):
                super().validate(variant, {})"""),
        "leaves a file": Mistake("test_installing_leaves_nothing", """
            @hookimpl
            def create(self, ctx, instance):
                super().create(instance)
                (ctx.state / "log").touch()"""),
        "an error of its own kind": Mistake("test_a_failed_installation", """
            @hookimpl
            def create(self, instance):
                open(instance.disks[0].path, "r+b").close()"""),
        "names other parameters": Mistake("test_info_and_description", """
            @hookimpl
            def info(self):
                return replace(super().info(), parameters=(("farewell", ""),))"""),
    },
    ("Provider", "ExtStorageContract"): {
        "attaches what is missing": Mistake("test_a_missing_volume_cannot", """
            @hookimpl
            def attach(self, ctx, volume):
                return Attachment("/dev/null")"""),
        "another device each time": Mistake("test_attaching_twice", """
            @hookimpl
            def attach(self, ctx, volume):
                self.count = getattr(self, "count", 0) + 1
                found = super().attach(ctx, volume)
                return replace(found, uris={"kvm": str(self.count)})"""),
        "a second create wipes": Mistake("test_data_outlive_detach", """
            @hookimpl
            def create(self, ctx, volume):
                super().remove(ctx, volume)
                super().create(ctx, volume)"""),
        "a killed create stays": Mistake("test_a_killed_create_can_be_removed", """
            @hookimpl
            def create(self, ctx, volume):
                (ctx.keep / "creating").touch()
                super().create(ctx, volume)
                (ctx.keep / "creating").unlink()"""),
        "opens without closing": Mistake("test_optional_hooks_are_offered", """
            @hookimpl
            def open(self, ctx, volume):
                pass"""),
        "a failed create stays": Mistake("test_a_failed_create_leaves_nothing", """
            @hookimpl
            def create(self, ctx, volume):
                (ctx.keep / (volume.name + ".log")).touch()
                super().create(ctx, volume)"""),
    },
}


def run_each(
    pytester: pytest.Pytester, prelude: str, mistakes: Mapping[str, Mistake], driver: str,
    contract: str,
) -> dict[str, frozenset[str]]:
    """Run for each mistake the test meant for it; answers the modes in which it failed."""
    module, nodes, named = prelude, [], {}
    for number, (name, mistake) in enumerate(mistakes.items()):
        body = textwrap.indent(textwrap.dedent(mistake.body), "    ")
        module += WRONG.format(number=number, driver=driver, contract=contract, mistake=body)
        nodes.append(f"test_wrong.py::TestWrong{number}::{full_name(mistake.test)}")
        named[f"TestWrong{number}"] = name
    pytester.makepyfile(test_wrong=module)
    run = pytester.inline_run("-q", "--tb=no", "-p", "no:cacheprovider", *nodes)
    found: dict[str, set[str]] = {name: set() for name in mistakes}
    for report in run.getreports("pytest_runtest_logreport"):
        if report.failed:
            name = named[report.nodeid.split("::")[1]]
            found[name] |= {mode for mode in CALL_MODES if mode in report.nodeid.split("::")[2]}
    return {name: frozenset(modes) for name, modes in found.items()}


def full_name(beginning: str) -> str:
    """Find the one test of the kit whose name is or begins so."""
    names = {name for contract in contracts.__all__ for name in dir(getattr(contracts, contract))}
    found = {beginning} & names or {name for name in names if name.startswith(beginning)}
    assert len(found) == 1, f"{beginning}: {found}"
    return found.pop()


def expected(mistakes: Mapping[str, Mistake]) -> dict[str, frozenset[str]]:
    return {name: mistake.modes for name, mistake in mistakes.items()}


def test_each_wrong_hypervisor_is_found(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "PATIENCE", 0.1)
    found = run_each(pytester, HYPERVISOR, HYPERVISOR_MISTAKES, "FakeHypervisor", "Base")
    assert found == expected(HYPERVISOR_MISTAKES)


def test_each_wrong_disk_template_is_found(pytester: pytest.Pytester) -> None:
    found = run_each(pytester, DISK, DISK_MISTAKES, "FileTemplate", "Base")
    assert found == expected(DISK_MISTAKES)


def test_each_wrong_template_without_disks_is_found(pytester: pytest.Pytester) -> None:
    found = run_each(pytester, DISK, DISKLESS_MISTAKES, "DisklessTemplate", "Base")
    assert found == expected(DISKLESS_MISTAKES)


@pytest.mark.parametrize(("driver", "contract"), TOY_MISTAKES)
def test_each_wrong_toy_is_found(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, driver: str, contract: str
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    mistakes = TOY_MISTAKES[driver, contract]
    found = run_each(pytester, TOY, mistakes, driver, f"Fixtures, {contract}")
    assert found == expected(mistakes)


def test_a_misspelt_hook_is_an_error_everywhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    body = "    @hookimpl\n    def colect(self, ctx):\n        pass"
    pytester.makepyfile(test_wrong=TOY + WRONG.format(
        number=1, driver="Collector", contract="CollectorContract", mistake=body))
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    assert set(result.parseoutcomes()) <= {"errors", "warnings"}


def test_what_is_not_promised_is_counted_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_diskless=DISK + WRONG.format(
        number=1, driver="DisklessTemplate", contract="Base", mistake="    pass"))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.stdout.re_match_lines([r"=+ \d+ passed, \d\d not promised in .* =+$"])


def test_the_bases_are_never_collected_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_bases="from ganeti_core.plugin_api.testing.contracts import *")
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_forgotten_fixture_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_forgot="""
        from ganeti_core.plugin_api.testing.contracts import CollectorContract
        class TestMine(CollectorContract):
            pass
    """)
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*provide a fixture `driver`*"])
