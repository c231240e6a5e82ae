"""The kit on drivers that are wrong on purpose: each fails in the test meant for its mistake."""

from pathlib import Path

# Imported here once: what only the inner runs import would be imported anew by each of them.
import kit_toys
import pytest
from disk_mistakes import DISK, DISK_MISTAKES, DISKLESS_MISTAKES
from wrong_drivers import WRONG, Mistake, run_each

import ganeti_plugins.disk_file
import ganeti_plugins.hv_fake
from ganeti_core.plugin_api.testing import footprint

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

TOY = """
import pytest
from dataclasses import replace
from kit_toys import *
from ganeti_core.plugin_api import *
from ganeti_core.plugin_api.testing.contracts import *
from ganeti_core.plugin_api.transfer import StreamFailed, receive, send

class Fixtures:
    variant = "short"

    @pytest.fixture
    def user(self):
        return "jill", "sesame"

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

    def rate(self, data):
        return data["calls"]
"""

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
        def info(self, ctx, instance=None):
            return super().info(ctx, instance)"""),
    "refuses a second start": Mistake("test_starting_twice", """
        @hookimpl
        def start(self, ctx, instance, paused):
            if super().info(ctx, instance):
                raise HypervisorError("runs already")
            super().start(ctx, instance, paused)"""),
    "refuses to stop nobody": Mistake("test_an_unknown_guest_is_nobody", """
        @hookimpl
        def stop(self, ctx, instance, force, timeout):
            if not super().info(ctx, instance):
                raise HypervisorError("who?")
            super().stop(ctx, instance, force, timeout)"""),
    "an error of its own kind": Mistake("test_an_unknown_guest_is_nobody", """
        @hookimpl
        def reboot(self, ctx, instance):
            raise RuntimeError("oops")"""),
    "answers a tuple for a list": Mistake("test_a_started_guest_is_listed", """
        @hookimpl
        def running(self, ctx):
            return tuple(super().running(ctx))"""),
    "answers a dict for an object": Mistake("test_the_console_tells", """
        @hookimpl
        def info(self, ctx, instance):
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
        def stop(self, ctx, instance, force, timeout):
            if not super().info(ctx, instance):
                return
            (ctx.state / "stopping").touch()
            super().stop(ctx, instance, force, timeout)
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
    "a receiver is taken for a paused guest": Mistake("test_a_receiver_is_not_a_running", """
        @hookimpl
        def info(self, ctx, instance):
            guest = GuestFiles(ctx.state).find(instance.name)
            if guest is not None and guest.state == "receiving":
                return RunningInstance(
                    guest.name, guest.uuid, "paused", guest.memory, guest.vcpus)
            return super().info(ctx, instance)"""),
    "does not say which end it has": Mistake("test_a_receiver_is_not_a_running", """
        @hookimpl
        def migration_status(self, ctx, instance):
            return replace(super().migration_status(ctx, instance), guest="unknown")"""),
    "the target runs the guest by itself": Mistake("test_the_target_runs_the_guest_only_by", """
        @hookimpl
        def migration_prepare(self, ctx, instance, node):
            self.receiver = GuestFiles(ctx.state)
            return super().migration_prepare(ctx, instance, node)
        @hookimpl
        def migrate_out(self, ctx, instance, target, live):
            super().migrate_out(ctx, instance, target, live)
            guest = self.receiver.find(instance.name)
            self.receiver.put(replace(guest, state="running"))"""),
    "a sent guest does not come back": Mistake("test_a_guest_that_was_sent_runs_on", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if source and not success and super().info(ctx, instance) is None:
                raise HypervisorError("has already moved to the other node")
            super().migration_finish(ctx, instance, source, success)"""),
    "a running guest is dismissed": Mistake("test_a_guest_that_runs_on_the_target_is", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if not source and not success:
                GuestFiles(ctx.state).drop(instance.name)
            super().migration_finish(ctx, instance, source, success)"""),
    "runs what did not arrive": Mistake("test_nothing_arrives_where_nothing", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if source or not success or GuestFiles(ctx.state).find(instance.name):
                super().migration_finish(ctx, instance, source, success)"""),
    "keeps what is gone": Mistake("test_a_source_whose_guest_is_gone", """
        @hookimpl
        def migration_finish(self, ctx, instance, source, success):
            if source and not success and not GuestFiles(ctx.state).find(instance.name):
                raise HypervisorError("does not run here any more")
            super().migration_finish(ctx, instance, source, success)"""),
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
            if super().info(ctx, instance):
                raise HypervisorError("it is finished")
            super().migration_finish(ctx, instance, source, success)"""),
    "an abort loses the guest": Mistake("test_an_aborted_transfer", """
        @hookimpl
        def migration_abort(self, ctx, instance):
            GuestFiles(ctx.state).drop(instance.name)"""),
    "a lost target loses the guest": Mistake("test_a_guest_survives_a_target", """
        @hookimpl
        def migration_abort(self, ctx, instance):
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
                return answer"""),
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
    ("Door", "AuthenticatorContract"): {
        "lets nobody in": Mistake("test_a_password_that_fits", """
            @hookimpl
            def authenticate(self):
                return None"""),
        "looks at the beginning": Mistake("test_another_password", """
            @hookimpl
            def authenticate(self, name, password):
                return super().authenticate(name, password[:6])"""),
        "knows everybody": Mistake("test_an_unknown_name", """
            @hookimpl
            def authenticate(self, name, password):
                return super().authenticate("jill", password)"""),
        "stumbles over strangers": Mistake("test_what_strangers_send", """
            @hookimpl
            def authenticate(self, name, password):
                (name + password).encode("ascii")
                return super().authenticate(name, password)"""),
        "logs passwords": Mistake("test_nothing_secret", """
            @hookimpl
            def authenticate(self, ctx, name, password):
                ctx.log.info("%s tries %s", name, password)
                return super().authenticate(name, password)"""),
        "counts in a file": Mistake("test_looking_changes_nothing", """
            @hookimpl
            def authenticate(self, ctx, name, password):
                (ctx.state / str(len(list(ctx.state.iterdir())))).touch()
                return super().authenticate(name, password)"""),
        "answers with a text": Mistake("test_a_password_that_fits", """
            @hookimpl
            def authenticate(self, name, password):
                return super().authenticate(name, password) and name"""),
    },
    ("Collector", "CollectorContract"): {
        "an unknown category": Mistake("test_it_says_how_often", """
            @hookimpl
            def describe(self):
                return replace(super().describe(), category="odd")"""),
        "a status without a code": Mistake("test_a_status_report", """
            @hookimpl
            def collect(self, previous):
                found = super().collect(previous)
                return replace(found, report=replace(found.report, data={"status": {}}))"""),
        "leaves files": Mistake("test_collecting_changes_nothing", """
            @hookimpl
            def collect(self, ctx, previous):
                (ctx.state / str(len(list(ctx.state.iterdir())))).touch()
                return super().collect(previous)"""),
        "bytes in the data": Mistake("test_a_report_has_data", """
            @hookimpl
            def collect(self, previous):
                found = super().collect(previous)
                return replace(found, report=replace(found.report, data={"raw": b"x"}))"""),
        "text as data": Mistake("test_a_report_has_data", """
            @hookimpl
            def collect(self, previous):
                found = super().collect(previous)
                return replace(found, report=replace(found.report, data="well"))"""),
        "loses its state": Mistake("test_the_state_goes_from_call_to_call", """
            @hookimpl
            def collect(self, previous):
                found = super().collect(previous)
                return replace(found, state=None) if previous else found"""),
        "a state that grows": Mistake("test_the_state_does_not_grow", """
            @hookimpl
            def collect(self, previous):
                found = super().collect(previous)
                grown = [*(previous or {}).get("grown", []), "x" * 10000]
                return replace(found, state={**found.state, "grown": grown})"""),
        "trusts any state": Mistake("test_a_state_of_another_version", """
            @hookimpl
            def collect(self, previous):
                if previous is not None:
                    previous["calls"]
                return super().collect(previous)"""),
        "a rate without history": Mistake("test_a_rate_is_of_the_time", """
            @hookimpl
            def collect(self, previous):
                return super().collect(None)"""),
        "the master everywhere": Mistake("test_what_the_master_cannot_say", """
            @hookimpl
            def collect(self, ctx, previous):
                try:
                    return {"id": ctx.query("job", ["id"])[0][0]}
                except NotMaster:
                    return super().collect(previous)"""),
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
        "exports half of it": Mistake("test_an_exported_disk_comes_back", """
            @hookimpl
            def export_disk(self, ctx, stream):
                with open(stream.disk.path, "rb") as disk:
                    return send(ctx, stream.offer, [disk.read(10)])"""),
        "takes no notice of a broken stream": Mistake("test_a_stream_that_breaks_off", """
            @hookimpl
            def import_disk(self, ctx, stream):
                try:
                    return receive(ctx, stream.offer, lambda data: None)
                except StreamFailed:
                    return 0"""),
        "exports what is not there": Mistake("test_what_cannot_be_read", """
            @hookimpl
            def export_disk(self, ctx, stream):
                return send(ctx, stream.offer, [])"""),
        "says that it was kept": Mistake("test_an_export_that_nobody_keeps", """
            @hookimpl
            def export_disk(self, ctx, stream):
                try:
                    return send(ctx, stream.offer, [bytes(64)])
                except StreamFailed:
                    return 64"""),
        "variables for no environment": Mistake("test_variables_are_fit", """
            @hookimpl
            def os_variables(self):
                return {"file system": "ext4"}"""),
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


def test_each_wrong_hypervisor_is_found(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "PATIENCE", 0.1)
    found = run_each(pytester, HYPERVISOR, HYPERVISOR_MISTAKES, "FakeHypervisor", "Base")
    assert found == HYPERVISOR_MISTAKES.keys()


def test_each_wrong_disk_template_is_found(pytester: pytest.Pytester) -> None:
    found = run_each(pytester, DISK, DISK_MISTAKES, "FileTemplate", "Base")
    assert found == DISK_MISTAKES.keys()


def test_each_wrong_template_without_disks_is_found(pytester: pytest.Pytester) -> None:
    found = run_each(pytester, DISK, DISKLESS_MISTAKES, "DisklessTemplate", "Base")
    assert found == DISKLESS_MISTAKES.keys()


@pytest.mark.parametrize(("driver", "contract"), TOY_MISTAKES)
def test_each_wrong_toy_is_found(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, driver: str, contract: str
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    mistakes = TOY_MISTAKES[driver, contract]
    found = run_each(pytester, TOY, mistakes, driver, f"Fixtures, {contract}")
    assert found == mistakes.keys()


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
