"""Each hook of an OS, a collector and an allocator, and each event, does what its contract says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from on_a_node import OnANode, api0

from ganeti_core.plugin_api import (
    DiskSpec,
    HookContext,
    InstanceSpec,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.plugin_api.testing.allocation import allocate
from ganeti_core.plugins import Events


class System(api0("os").Oldest):  # type: ignore[misc]  # a class that is loaded from a file
    """Can be renamed, too."""

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, old_name: str) -> None:
        Path(instance.disks[0].path).write_text(f"{old_name} is {instance.name}")


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
    system.call("validate", variant="default", params={"greeting": "hi"})
    with pytest.raises(OpPrereqError, match="loud"):
        system.call("validate", variant="loud", params={})


def test_hook_os_create(system: OnANode, instance: InstanceSpec) -> None:
    system.call("create", instance=instance, variant="default", reinstall=False)
    assert Path(instance.disks[0].path).read_text().startswith("hello inst1.example.com")


def test_hook_os_rename(system: OnANode, instance: InstanceSpec) -> None:
    system.call("rename", instance=instance, variant="default", old_name="old.example.com")
    assert Path(instance.disks[0].path).read_text() == "old.example.com is inst1.example.com"


@pytest.fixture
def collector(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, COLLECTORS, api0("collectors").Oldest())


def test_hook_collector_describe(collector: OnANode) -> None:
    assert collector.call("describe").title


def test_hook_collector_collect(collector: OnANode) -> None:
    assert set(collector.call("collect").data["load"]) == {"1", "5", "15"}


@pytest.fixture
def allocator(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, IALLOCATORS, Allocator())


def test_hook_iallocator_describe(allocator: OnANode) -> None:
    assert allocator.call("describe").capabilities == {"allocate"}


def test_hook_iallocator_solve(allocator: OnANode) -> None:
    assert allocator.call("solve", request=allocate())["result"] == ["node2.example.com"]


def test_hook_iallocator_explain(allocator: OnANode) -> None:
    assert len(allocator.call("explain", request=allocate())) == 3


def heard(event: str, **arguments: Any) -> None:
    """Tell an event to a subscriber that takes only part of it, beside one that fails."""
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
    events = Events()
    events.add("failing", Failing())
    events.add("listening", Subscriber())
    events.tell(event, **arguments)
    assert told == list(some.values())


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
