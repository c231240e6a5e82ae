"""What a guest that broke out of its machine could do on the node; and where that is refused."""

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import (
    HookContext,
    HypervisorError,
    InstanceSpec,
    NodeRef,
    OpPrereqError,
)
from ganeti_core.plugin_api.data import MigrationOffer
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_kvm import KvmHypervisor, processes
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = [pytest.mark.needs_qemu, pytest.mark.needs_root]
HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")
POOL, OTHER_POOL = (61000, 61001), (61100, 61101)
"""User ids that nobody has; one range for each test that counts on them."""


def with_params(instance: InstanceSpec, **params: object) -> InstanceSpec:
    return replace(instance, hvparams={**instance.hvparams, **params})


def pid_of(ctx: HookContext, name: str) -> int:
    (pid,) = processes.find("-pidfile", str(ctx.state / name / "pid"))
    return pid


def fact(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].split()[0] for line in lines if line.startswith(name + ":"))


def test_system_calls_are_filtered(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    pid = pid_of(ctx, guest_instance.name)
    assert (fact(pid, "Seccomp"), fact(pid, "NoNewPrivs")) == ("2", "1")
    words = processes.arguments(pid)
    denied = words[words.index("-sandbox") + 1].split(",")
    assert {"on", "obsolete=deny", "elevateprivileges=deny", "spawn=deny",
            "resourcecontrol=deny"} <= set(denied)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)


def test_a_guest_is_found_by_its_name(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    """``pgrep -f -- "-name NAME"``, as administrators and scripts of Ganeti do."""
    kvm.start(ctx, guest_instance, False)
    line = " ".join(processes.arguments(pid_of(ctx, guest_instance.name)))
    assert f" -name {guest_instance.name}," in line


CONFINED = [
    {"security_model": "user", "security_domain": "nobody"},
    {"security_model": "pool"},
    {"use_chroot": True},
    {"security_model": "user", "security_domain": "nobody", "use_chroot": True},
]


@pytest.mark.parametrize("params", CONFINED)
def test_a_confined_guest_runs_moves_and_stops(
    kvm: KvmHypervisor, tmp_path: Path, guest_instance: InstanceSpec, params: dict[str, object]
) -> None:
    instance = with_params(guest_instance, **params)
    ends = [make_context(tmp_path / f"node{number}", f"node{number}.example.com",
                         config={"uid_pool": [list(POOL)]}) for number in (1, 2)]
    try:
        kvm.validate(ends[0], instance.hvparams)
        kvm.start(ends[0], instance, False)
        with Serial(ends[0], instance.name) as serial:
            serial.wait_for(COUNTS)
        target = kvm.migration_prepare(ends[1], instance, HERE, MigrationOffer())
        kvm.migrate_out(ends[0], instance, target, True)
        while kvm.migration_status(ends[0], instance).state == "active":
            pass
        kvm.migration_finish(ends[1], instance, False, True)
        kvm.migration_finish(ends[0], instance, True, True)
        with Serial(ends[1], instance.name) as serial:
            serial.wait_for(COUNTS)
        pid = pid_of(ends[1], instance.name)
        uid, root = int(fact(pid, "Uid")), os.readlink(f"/proc/{pid}/root")
        if "use_chroot" in params:
            assert root == str(ends[1].state / instance.name / "root")
        else:
            assert root == "/"
        match params.get("security_model"):
            case "user":
                assert uid == pwd.getpwnam("nobody").pw_uid
            case "pool":
                assert uid in POOL
            case _:
                assert uid == 0
    finally:
        for end in ends:
            kvm.stop(end, instance, True, 0.0)
    assert [list(end.state.glob(f"{instance.name}*")) for end in ends] == [[], []]


def test_guests_of_the_pool_have_users_of_their_own(
    kvm: KvmHypervisor, tmp_path: Path, guest_instance: InstanceSpec
) -> None:
    ctx = make_context(
        tmp_path / "node1", "node1.example.com", config={"uid_pool": [list(OTHER_POOL)]})
    guests = [replace(with_params(guest_instance, security_model="pool"), disks=(),
                      name=f"inst{number}.example.com",
                      uuid=f"c0ffee00-0000-4000-8000-{number:012}")
              for number in range(3)]
    try:
        for guest in guests[:2]:
            kvm.start(ctx, guest, False)
        assert {int(fact(pid_of(ctx, guest.name), "Uid")) for guest in guests[:2]} == set(
            OTHER_POOL)
        with pytest.raises(HypervisorError, match="enlarge it"):
            kvm.start(ctx, guests[2], False)
    finally:
        for guest in guests:
            kvm.stop(ctx, guest, True, 0.0)


@pytest.mark.parametrize("params", [CONFINED[0], CONFINED[2]])
def test_a_disk_is_plugged_into_a_confined_guest(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path,
    params: dict[str, object],
) -> None:
    """Though its QEMU can open no file of root any more."""
    path = tmp_path / "disk1.raw"
    path.write_bytes(bytes(1 << 20))
    path.chmod(0o600)
    instance = with_params(guest_instance, **params)
    disk = replace(instance.disks[0], uuid="d15c0002-0000-4000-8000-000000000002", index=1,
                   path=str(path))
    kvm.start(ctx, instance, False)
    kvm.plug_disk(ctx, instance, disk)
    with Qmp.connect(ctx.state / instance.name / "control") as qmp:
        assert len(qmp.execute("query-block")) == 2


@pytest.mark.parametrize(("params", "complaint"), [
    ({"security_model": "user"}, "security_domain=''"),
    ({"security_domain": "nobody"}, "security_domain='nobody'.*only for it"),
    ({"security_model": "user", "security_domain": "nobody-of-this-name"}, "no such user"),
    ({"security_model": "pool"}, "uid pool is empty"),
])
def test_what_cannot_be_honoured_is_refused(
    kvm: KvmHypervisor, ctx: HookContext, params: dict[str, object], complaint: str
) -> None:
    with pytest.raises(OpPrereqError, match=complaint):
        kvm.validate(ctx, {"kernel_path": "", **params})


def test_without_root_a_change_of_user_is_refused(
    kvm: KvmHypervisor, ctx: HookContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for params in ({"use_chroot": True}, {"security_model": "user", "security_domain": "nobody"}):
        with pytest.raises(OpPrereqError, match=f"{next(iter(params))}=.*must run as root"):
            kvm.validate(ctx, {"kernel_path": "", **params})
