"""Hooks of an OS, a collector, an allocator, an authenticator, and events: as in the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from on_a_node import OnANode, api0

from ganeti_core.operations.subscriber_process import deliver, hear
from ganeti_core.operations.subscriber_process import heard as listened_to
from ganeti_core.plugin_api import (
    DiskSpec,
    HookContext,
    InstanceSpec,
    OpPrereqError,
    codec,
    hookimpl,
)
from ganeti_core.plugin_api.authenticator import AUTHENTICATORS, Identity
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS, DiskStream
from ganeti_core.plugin_api.testing.allocation import allocate
from ganeti_core.plugin_api.testing.streams import giving, receiving
from ganeti_core.plugin_api.transfer import receive, send


class System(api0("os").Oldest):  # type: ignore[misc]  # a class that is loaded from a file
    """Can be renamed, exported and imported, too."""

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, old_name: str) -> None:
        Path(instance.disks[0].path).write_text(f"{old_name} is {instance.name}")

    @hookimpl
    def os_variables(self, instance: InstanceSpec) -> dict[str, str]:
        return {"FIRST_NAME": instance.name}

    @hookimpl
    def export_disk(self, ctx: HookContext, stream: DiskStream) -> int:
        return send(ctx, stream.offer, Path(stream.disk.path))

    @hookimpl
    def import_disk(self, ctx: HookContext, stream: DiskStream) -> int:
        disk = Path(stream.disk.path)
        disk.write_text(f"from {stream.variables['FIRST_NAME']}: ")
        with disk.open("ab") as file:
            return receive(ctx, stream.offer, file.write)


class Allocator(api0("iallocators").Oldest):  # type: ignore[misc]  # as above
    """Explains itself, too."""

    @hookimpl
    def explain(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(request["nodes"], "as good as any")


@pytest.fixture
def system(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, OS_DEFINITIONS, System())


@pytest.fixture
def instance(tmp_path: Path) -> InstanceSpec:
    (tmp_path / "disk").write_bytes(bytes(64))
    return InstanceSpec(
        "c0ffee00-0000-4000-8000-000000000001", "inst1.example.com", "fake", os="oldest+default",
        disks=(DiskSpec("d15c", 0, "file", 1, path=str(tmp_path / "disk")),))


def test_hook_os_describe(system: OnANode) -> None:
    assert "greeting" in system.call("describe").parameters["properties"]


def test_hook_os_info(system: OnANode) -> None:
    assert system.call("info").variants == ("default", "quiet")


def test_hook_os_validate(system: OnANode) -> None:
    system.call("validate", variant="default", params={"greeting": "hi"}, force_variant=False)
    with pytest.raises(OpPrereqError, match="loud"):
        system.call("validate", variant="loud", params={}, force_variant=False)


def test_hook_os_create(system: OnANode, instance: InstanceSpec) -> None:
    system.call("create", instance=instance, variant="default", reinstall=False)
    assert Path(instance.disks[0].path).read_text().startswith("hello inst1.example.com")


def test_hook_os_rename(system: OnANode, instance: InstanceSpec) -> None:
    system.call("rename", instance=instance, variant="default", old_name="old.example.com")
    assert Path(instance.disks[0].path).read_text() == "old.example.com is inst1.example.com"


def test_hook_os_os_variables(system: OnANode, instance: InstanceSpec) -> None:
    assert system.call("os_variables", instance=instance, variant="default") == {
        "FIRST_NAME": "inst1.example.com"}


def test_hook_os_export_disk(system: OnANode, instance: InstanceSpec) -> None:
    found = bytearray()
    with receiving(system.with_streams(), found.extend) as (offer, done):
        assert system.call("export_disk", instance=instance, variant="default",
                           stream=DiskStream(instance.disks[0], offer)) == 64
        assert done.result(60) == 64
    assert found == bytes(64)


def test_hook_os_import_disk(system: OnANode, instance: InstanceSpec) -> None:
    with giving(system.with_streams(), [b"what was exported"]) as (offer, _):
        assert system.call(
            "import_disk", instance=instance, variant="default",
            stream=DiskStream(instance.disks[0], offer, {"FIRST_NAME": "inst1"})) == 17
    assert Path(instance.disks[0].path).read_text() == "from inst1: what was exported"


@pytest.fixture
def collector(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, COLLECTORS, api0("collectors").Oldest())


def test_hook_collector_describe(collector: OnANode) -> None:
    assert collector.call("describe").title


def test_hook_collector_collect(collector: OnANode) -> None:
    collected = collector.call("collect", previous=None)
    assert set(collected.report.data["load"]) == {"1", "5", "15"}


@pytest.fixture
def door(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, AUTHENTICATORS, api0("authenticators").Oldest())


def test_hook_authenticator_describe(door: OnANode) -> None:
    assert door.call("describe").title


def test_hook_authenticator_authenticate(door: OnANode) -> None:
    assert door.call("authenticate", name="jill", password="sesame") == Identity(
        "jill", "@readonly", 5.0)
    assert door.call("authenticate", name="jack", password="sesame") is None


@pytest.fixture
def allocator(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, IALLOCATORS, Allocator())


def test_hook_iallocator_describe(allocator: OnANode) -> None:
    assert allocator.call("describe").capabilities == {"allocate"}


def test_hook_iallocator_solve(allocator: OnANode) -> None:
    answer = allocator.call("solve", request=allocate(), parameters={})
    assert answer["result"] == ["node2.example.com"]


def test_hook_iallocator_explain(allocator: OnANode) -> None:
    assert len(allocator.call("explain", request=allocate(), parameters={})) == 3


def heard(event: str, **arguments: Any) -> None:
    """Deliver an event to a subscriber that takes only part of it, and to one that fails."""
    some = dict(list(arguments.items())[:1])
    told: list[Any] = []

    class Subscriber:
        pass

    class Failing:
        pass

    namespace: dict[str, Any] = {"told": told}
    exec(f"def {event}(self, {', '.join(some)}): told.append({', '.join(some)})", namespace)  # noqa: S102  # a hook's name is known only now
    setattr(Subscriber, event, hookimpl(namespace[event]))
    exec(f"def {event}(self): raise ValueError('I do not want to know')", namespace)  # noqa: S102  # as above
    setattr(Failing, event, hookimpl(namespace[event]))
    plain = codec.encode(arguments)
    said = deliver(hear("failing", Failing()), event, plain)
    assert said == "ValueError: I do not want to know"
    listening = hear("listening", Subscriber())
    assert deliver(listening, event, plain) == ""
    assert told == list(some.values())
    assert listened_to(listening) == [event]


def test_hook_event_instance_created() -> None:
    heard("instance_created", name="inst1", uuid="u", nodes=("node1",))


def test_hook_event_instance_removed() -> None:
    heard("instance_removed", name="inst1", uuid="u")


def test_hook_event_instance_started() -> None:
    heard("instance_started", name="inst1", uuid="u", node="node1")


def test_hook_event_instance_stopped() -> None:
    heard("instance_stopped", name="inst1", uuid="u", node="node1")


def test_hook_event_instance_moved() -> None:
    heard("instance_moved", name="inst1", uuid="u", source="a", target="b", how="migrate")


def test_hook_event_node_added() -> None:
    heard("node_added", name="node1", uuid="u")


def test_hook_event_node_removed() -> None:
    heard("node_removed", name="node1", uuid="u")


def test_hook_event_node_role_changed() -> None:
    heard("node_role_changed", name="node1", uuid="u", role="C")


def test_hook_event_config_changed() -> None:
    heard("config_changed", serial=5, changed={"instances": ["u"]})


def test_hook_event_job_finished() -> None:
    heard("job_finished", job_id=7, status="success", summary=("X",))
