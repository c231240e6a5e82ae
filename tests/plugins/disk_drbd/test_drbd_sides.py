"""Which side may be written to, when nodes and networks fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drbd_nodes import NO_PATIENCE
from drbd_pair import A, B, Pair, refused
from fake_drbd import Setup

from ganeti_core.plugin_api import ECODE_STATE, CommandFailed, DiskSpec, OpPrereqError
from ganeti_core.plugin_api.disk_steps import DiskStep, Verb
from ganeti_core.plugin_api.run import Completed
from ganeti_core.plugin_api.testing.disk import NODES, plain_child_steps
from ganeti_core.plugin_api.testing.mirror import until
from ganeti_plugins.disk_drbd import DrbdTemplate


@pytest.fixture
def split(pair: Pair) -> Pair:
    """Both sides were written to while the network between them was cut."""
    pair.cut()
    pair.work("promote", B, force=False)
    pair.write(A, b"what A wrote")
    pair.write(B, b"what B wrote")
    pair.cut(joined=True)
    return pair


def test_a_split_brain_is_shown_with_the_remedy_and_nothing_is_overwritten(split: Pair) -> None:
    for node in NODES:
        status = split.state(node)
        assert status.degraded
        assert "StandAlone" in status.reason
        assert "replace-disks -s web.example.com" in status.reason
    split.work("close", *NODES)
    with refused("StandAlone"):
        split.work("open", *NODES)
    assert (split.read(A), split.read(B)) == (b"what A wrote", b"what B wrote")


def test_a_split_brain_ends_by_a_new_copy(split: Pair) -> None:
    split.work("close", B)
    split.work("remove", B)
    split.work("create", B)
    split.work("open", *NODES)
    until(split.in_sync)
    assert split.read(B) == b"what A wrote"


def test_the_side_that_the_cluster_knows_to_be_old_gives_up_what_it_has_beside(
    split: Pair,
) -> None:
    split.moved()
    split.stale = (A,)
    split.work("close", A)
    split.work("open", B, A)
    until(split.in_sync)
    assert split.read(A) == b"what B wrote"


def test_a_copy_that_is_known_to_be_old_is_not_promoted(pair: Pair) -> None:
    pair.cut()
    pair.write(A, b"later")
    pair.stale = (B,)
    assert pair.state(B).local == "stale"
    with refused("was written to while the copy here could not follow"):
        pair.work("promote", B, force=False)
    pair.work("promote", B, force=True)
    assert Path(pair.device(B)).exists()


def test_each_hook_reads_once_how_an_open_device_is_configured(pair: Pair) -> None:
    asked: list[str] = []

    def run(argv: list[Any], **more: Any) -> Completed:
        asked.append(argv[1])
        return pair.kernels.run(argv, **more)

    driver = DrbdTemplate(run, NO_PATIENCE)
    for node, both in ((A, False), (B, False), (A, True)):
        disk = pair.known.on(node.uuid)
        driver.open(pair.contexts[node.uuid], disk, not both)
        assert asked.count("show") == 1, asked
        asked.clear()
    for node in (A, B):
        driver.demote(pair.contexts[node.uuid], pair.known.on(node.uuid))
        assert asked.count("show") == 1, asked
        asked.clear()


def test_a_copy_that_is_being_filled_is_not_promoted(pair: Pair) -> None:
    pair.kernels.step(0.5)
    pair.work("close", B)
    pair.work("remove", B)
    pair.work("create", B)
    pair.work("open", *NODES)
    status = pair.state(B)
    assert status.local == "sync"
    assert status.sync_percent is not None
    assert status.sync_seconds == 5.0
    pair.kernels.lose(pair.contexts[A.uuid])
    assert pair.state(B).local == "stale"
    with refused("are Inconsistent, and node1.example.com, which may have newer ones"):
        pair.work("promote", B, force=False)


def test_a_new_copy_alone_is_nothing(pair: Pair) -> None:
    pair.work("close", *NODES)
    pair.work("remove", B)
    pair.work("create", B)
    assert "nothing was ever copied" in pair.state(B).reason
    with refused("Inconsistent"):
        pair.work("promote", B, force=False)


def test_the_primary_copy_can_be_filled_from_the_other_one(pair: Pair) -> None:
    pair.work("close", A)
    pair.work("remove", A)
    pair.work("create", A)
    pair.work("open", *NODES)
    until(pair.in_sync)
    assert pair.read(A) == b"first"


def test_the_only_new_copy_is_not_given_up_while_it_is_closed(pair: Pair) -> None:
    """The other one was cut off before the last writes, and the cluster has not seen it."""
    pair.cut()
    pair.write(A, b"newer")
    pair.work("close", *NODES)
    with refused("holds data and is closed.*gnt-instance activate-disks"):
        pair.driver.renew(pair.contexts[A.uuid], pair.known.on(A.uuid))
    pair.cut(joined=True)
    pair.work("open", *NODES)
    until(pair.in_sync)
    assert pair.read(A) == b"newer"


@pytest.mark.parametrize("said", [
    "ran longer than 30 s and was killed",
    "exited with status 20: open(/dev/xenvg/notes) failed: No such file or directory"])
def test_a_copy_whose_notes_cannot_be_read_is_not_taken_for_none(pair: Pair, said: str) -> None:
    """A volume may be inactive, or the node busy: nobody knows that its data are nothing."""
    def run(argv: Any, **options: Any) -> Completed:
        if "get-gi" in argv:
            raise CommandFailed(f"{argv[0]} {said}")
        return pair.kernels.run(argv, **options)

    pair.cut()
    pair.write(A, b"newer")
    pair.work("close", *NODES)
    works, pair.driver = pair.driver, DrbdTemplate(run, NO_PATIENCE)
    status = pair.state(A)
    assert (status.exists, status.is_open, status.local) == (True, False, "unknown")
    assert said in status.reason
    with refused(re.escape(said)):
        pair.driver.renew(pair.contexts[A.uuid], pair.known.on(A.uuid))
    pair.cut(joined=True)
    pair.driver = works
    pair.work("open", *NODES)
    until(pair.in_sync)
    assert pair.read(A) == b"newer"


def test_the_volume_of_the_notes_is_activated_before_they_are_judged(pair: Pair) -> None:
    pair.cut()
    pair.write(A, b"newer")
    pair.work("close", *NODES)
    ctx = pair.contexts[A.uuid]
    active: set[str] = set()

    def inactive(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        found = ctx.driver(kind, name, hook, **arguments)
        if hook == "open":
            active.add(arguments["disk"].uuid)
        return replace(found, path="/dev/nosuch") if (
            hook == "status" and arguments["disk"].uuid not in active) else found

    with refused("holds data and is closed"):
        pair.driver.renew(replace(ctx, driver=inactive), pair.known.on(A.uuid))
    assert pair.read(A) == b"newer"


def test_a_lost_copy_is_made_anew_while_it_is_closed(pair: Pair) -> None:
    pair.work("close", *NODES)
    pair.work("remove", A)
    for _ in range(2):
        pair.driver.renew(pair.contexts[A.uuid], pair.known.on(A.uuid))
    pair.work("open", *NODES)
    until(pair.in_sync)
    assert pair.read(A) == b"first"


def test_a_snapshot_is_of_data_that_are_here(pair: Pair) -> None:
    copy = Path(pair.work("snapshot", A, name="now"))
    assert copy.read_bytes().startswith(b"first")
    root, number = str(pair.contexts[A.uuid].root), str(pair.disk.on(A.uuid).minor)
    pair.kernels.change(lambda world: Setup(world, root).detach(number))
    with refused("its data here are Diskless, and those that are read come from the other node"):
        pair.work("snapshot", A, name="later")
    pair.work("close", *NODES)
    with refused("is not open on node node1"):
        pair.work("snapshot", A, name="later")


def test_a_snapshot_is_planned_where_the_volumes_have_some(pair: Pair) -> None:
    def none(verb: Verb, child: DiskSpec, *_: Any) -> list[DiskStep]:
        raise OpPrereqError(f"{child.template} has no {verb}", ECODE_STATE)

    [step] = pair.driver.steps("snapshot", pair.known, (A,), {"name": "now"}, plain_child_steps)
    assert (step.node, step.disk.template, step.hook, step.undo) == (
        A.uuid, "drbd", "snapshot", "remove_snapshot")
    with pytest.raises(OpPrereqError, match="file has no snapshot"):
        pair.driver.steps("snapshot", pair.known, (A,), {"name": "now"}, none)


def test_one_writes_at_a_time(pair: Pair) -> None:
    with refused("it is in use on node node1.example.com"):
        pair.work("promote", B, force=False)
    pair.work("share", *NODES)
    assert [Path(pair.device(node)).exists() for node in NODES] == [True, True]
    pair.work("demote", A)
    pair.moved()
    pair.work("open", B, A)
    assert [Path(pair.device(node)).exists() for node in NODES] == [False, True]
    with refused("it is in use on node node2.example.com"):
        pair.work("promote", A, force=False)


def test_a_disk_that_is_behind_is_not_shared(pair: Pair) -> None:
    pair.cut()
    with refused("not connected"):
        pair.work("share", *NODES)


def test_a_copy_that_was_opened_and_does_not_connect_is_in_the_way(pair: Pair) -> None:
    pair.work("close", *NODES)
    pair.cut()
    with refused("node2.example.com is not connected .* network between the two"):
        pair.work("open", *NODES)
    pair.stale = (B,)
    pair.work("open", *NODES)
    assert pair.state(A).degraded


def test_an_open_disk_in_use_stays_open_when_its_peer_is_lost(pair: Pair) -> None:
    pair.kernels.lose(pair.contexts[B.uuid])
    pair.work("open", A)
    assert pair.state(A).is_open


def test_a_disk_in_use_is_not_closed(pair: Pair) -> None:
    minor = str(pair.disk.on(A.uuid).minor)
    root = str(pair.contexts[A.uuid].root)
    pair.kernels.change(lambda world: world.data["busy"].append([root, minor]))
    for verb in ("demote", "close"):
        with refused("held open"):
            pair.work(verb, A)
    assert pair.state(A).is_open


def test_a_number_that_another_device_has_is_not_taken(pair: Pair) -> None:
    pair.work("close", *NODES)
    ctx, minor = pair.contexts[A.uuid], str(pair.disk.on(A.uuid).minor)

    def occupy(world: Any) -> None:
        call = Setup(world, str(ctx.root))
        call.new_resource("theirs")
        call.new_minor("theirs", minor, "0")
        world.data["nodes"][str(ctx.root)]["minors"][minor].update(data="/dev/sdb", notes="/dev/s")

    pair.kernels.change(occupy)
    with refused("is in use for /dev/sdb: end that with drbdsetup down theirs"):
        pair.work("open", *NODES)
    pair.work("close", A)
    assert f" {minor}: cs:StandAlone" in (ctx.root / "proc/drbd").read_text(), "it is left alone"


@pytest.mark.parametrize(("spoil", "reason"), [
    (lambda root: (root / "proc/drbd").unlink(), "module drbd is not loaded: modprobe drbd"),
    (lambda root: (root / "proc/drbd").write_text("version: 9.1.12 (api:2)\n"),
     "has the version 9.1, and this disk template drives 8.4.*remove the package.*drbd-dkms"),
    (lambda root: (root / "usr/sbin/drbdmeta").unlink(), "drbdmeta not found: install drbd-utils"),
])
def test_a_node_that_cannot_is_refused_before_anything_is_made(
    pair: Pair, spoil: Callable[[Path], None], reason: str,
) -> None:
    pair.work("close", *NODES)
    pair.work("remove", *NODES)
    ctx = pair.contexts[B.uuid]
    spoil(ctx.root)
    with refused(reason):
        pair.work("create", *NODES)
    [problem] = pair.driver.verify(ctx)
    assert re.search(reason, problem.message)
    assert list((ctx.root / "srv/ganeti/file-storage").rglob("*.disk*")) == []


def test_a_module_of_version_9_is_named_and_its_devices_are_left_alone(pair: Pair) -> None:
    pair.work("close", *NODES)
    ctx, minor = pair.contexts[A.uuid], pair.disk.on(A.uuid).minor
    (ctx.root / "proc/drbd").write_text(
        "version: 9.0.32-1 (api:2/proto:86-121)\nTransports (api:17): tcp (9.0.32-1)\n")
    said = [{"name": "pvc-1", "devices": [{"volume": 0, "minor": minor}]}]

    def run(argv: list[Any], **options: Any) -> Completed:
        if Path(argv[0]).parents[2] != ctx.root:
            return pair.kernels.run(argv, **options)
        assert argv[1:] == ["status", "--json"], "nothing else is asked of that module"
        return Completed(json.dumps(said), "")

    pair.driver = DrbdTemplate(run, NO_PATIENCE)
    state = pair.state(A)
    assert (state.exists, state.local, state.degraded) == (True, "unknown", True)
    assert "has the version 9.0" in state.reason
    for verb in ("close", "remove"):
        with refused("is that of the resource pvc-1.*has the version 9.0"):
            pair.work(verb, A)
    with refused("has the version 9.0"):
        pair.work("open", A)
    said.clear()
    pair.work("remove", A)
    assert not pair.state(A).exists


def test_a_module_that_calls_another_program_is_found(pair: Pair) -> None:
    ctx = pair.contexts[A.uuid]
    assert pair.driver.verify(ctx) == []
    (ctx.root / "sys/module/drbd/parameters/usermode_helper").write_text("/sbin/drbdadm\n")
    [problem] = pair.driver.verify(ctx)
    assert "calls /sbin/drbdadm" in problem.message


def test_no_error_has_the_secret(pair: Pair) -> None:
    pair.work("close", *NODES)
    pair.disk = replace(pair.disk, params={**pair.disk.params, "net-custom": "--no-such=1"})
    with refused("drbdsetup connect resource0 exited with status 20.*--no_such") as caught:
        pair.work("open", A)
    assert "secret of disk" not in str(caught.value)


def test_what_lay_on_a_volume_before_does_not_keep_notes_from_it(pair: Pair) -> None:
    pair.work("close", *NODES)
    pair.work("remove", *NODES)
    for uuid, ctx in list(pair.contexts.items()):
        pair.contexts = {**pair.contexts, uuid: replace(ctx, driver=_used_volumes(ctx.driver))}
    pair.work("create", *NODES)
    pair.work("open", *NODES)
    until(pair.in_sync)


def _used_volumes(call: Callable[..., Any]) -> Callable[..., Any]:
    """New volumes lie where a file system was; LVM clears the first 4 KiB alone."""
    def used(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        found = call(kind, name, hook, **arguments)
        if hook == "create":
            with open(call(kind, name, "status", disk=arguments["disk"]).path, "r+b") as volume:
                volume.seek(32768)
                volume.write(b"JFS1")
        return found

    return used


def test_a_disk_is_made_around_no_volume_that_is_larger_than_it(pair: Pair) -> None:
    """Its guest would see less of it than before, and its file system would have no end."""
    ctx, disk = pair.contexts[A.uuid], pair.disk.on(A.uuid)
    pair.work("close", *NODES)
    pair.work("unwrap", *NODES)
    [data] = (ctx.root / "srv/ganeti/file-storage").rglob("data-*")
    with data.open("r+b") as file:
        file.truncate(2 << 20)
    with refused("gnt-cluster repair-disk-sizes web.example.com first"):
        pair.driver.wrap(ctx, disk)
    assert not list(ctx.keep.iterdir())
    assert data.stat().st_size == 2 << 20
    children = (replace(pair.disk.children[0], size=2), pair.disk.children[1])
    pair.driver.wrap(ctx, replace(pair.disk, size=2, children=children).on(A.uuid))
