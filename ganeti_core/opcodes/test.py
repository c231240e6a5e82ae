"""Exercises for the engine, used by tests and benchmarks."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import JsonDict, Natural, NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class TestAllocator(OpCode):
    """Try an instance allocator."""

    op_id = "OP_TEST_ALLOCATOR"
    summary_field = "iallocator"
    big_lock = True

    direction: Literal["in", "out"]
    mode: Literal["allocate", "allocate-secondary", "change-group", "multi-allocate",
                  "node-evacuate", "relocate"]
    name: NonEmptyStr
    nics: list[Any] | None = None
    disks: list[Any] | None = None
    hypervisor: NonEmptyStr | None = None
    iallocator: NonEmptyStr | None = None
    tags: list[NonEmptyStr] = field(default_factory=list)
    memory: Natural | None = None
    vcpus: Natural | None = None
    os: NonEmptyStr | None = None
    disk_template: NonEmptyStr | None = None
    instances: list[NonEmptyStr] | None = None
    evac_mode: Literal["all", "primary-only", "secondary-only"] | None = None
    target_groups: list[NonEmptyStr] | None = None
    spindle_use: Natural = 1
    count: Natural = 1
    group_name: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class TestDelay(OpCode):
    """Wait, on the master and on nodes."""

    op_id = "OP_TEST_DELAY"
    summary_field = "duration"

    duration: float
    on_master: bool = True
    on_nodes: list[NonEmptyStr] = field(default_factory=list)
    on_node_uuids: list[NonEmptyStr] | None = None
    repeat: Natural = 0
    interruptible: bool = False
    no_locks: bool = True


@dataclass(frozen=True, kw_only=True)
class TestDummy(OpCode):
    """Do nothing, or fail."""

    op_id = "OP_TEST_DUMMY"

    result: Any = None
    messages: Any = None
    fail: Any = None
    submit_jobs: Any = None


@dataclass(frozen=True, kw_only=True)
class TestJqueue(OpCode):
    """Exercise the job queue."""

    op_id = "OP_TEST_JQUEUE"

    notify_waitlock: bool = False
    notify_exec: bool = False
    log_messages: list[str] = field(default_factory=list)
    fail: bool = False


@dataclass(frozen=True, kw_only=True)
class TestOsParams(OpCode):
    """Take OS parameters of every visibility."""

    op_id = "OP_TEST_OS_PARAMS"
    secret_fields = ("osparams_secret",)

    osparams_secret: JsonDict | None = None
