"""A transfer that stands still is given up; one that is only slow is not."""

from ganeti_core.model import Node
from ganeti_core.operations.instance.migration_transfer import STALLED, Progress, _hopeless
from ganeti_core.plugin_api.data import MigrationStatus

MIB = 1 << 20


def test_a_slow_transfer_goes_on():
    progress = Progress(since=0.0)
    assert all(progress.goes_on(step, now=step * 0.9 * STALLED) for step in range(10))


def test_a_transfer_that_never_begins_is_noticed():
    progress = Progress(since=0.0)
    assert progress.goes_on(0, now=1.0)
    assert progress.goes_on(0, now=STALLED)
    assert not progress.goes_on(0, now=1.1 + STALLED)


def test_a_transfer_that_stops_halfway_is_noticed():
    progress = Progress(since=0.0)
    assert progress.goes_on(5, now=STALLED / 2)
    assert progress.goes_on(5, now=STALLED)
    assert not progress.goes_on(5, now=1.6 * STALLED)


def test_a_line_of_progress_has_percent_speed_and_time_left():
    progress = Progress(since=0.0, reported=(0.0, 0))
    status = MigrationStatus("active", 64 * MIB, 256 * MIB, remaining_ram=192 * MIB)
    assert progress.line(status, now=2.0) == (
        "* memory transfer progress: 25.00 %, 32.0 MiB/s, about 6 s left")
    # What is sent again does not count as done; the speed is that since the last line.
    status = MigrationStatus("active", 96 * MIB, 256 * MIB, remaining_ram=240 * MIB)
    assert progress.line(status, now=4.0) == (
        "* memory transfer progress: 6.25 %, 16.0 MiB/s, about 15 s left")


def test_a_line_of_progress_says_only_what_is_known():
    status = MigrationStatus("active", 0, 256 * MIB)
    assert Progress(since=0.0).line(status, now=2.0) == "* memory transfer progress: 0.00 %"


def test_a_failure_without_a_reason_says_where_to_look():
    source, target = (Node(uuid=name, name=name, group="g", primary_ip="") for name in "ab")
    bare, told = MigrationStatus("failed"), MigrationStatus("failed", message="no room")
    assert _hopeless(bare, goes_on=True, source=source, target=target).endswith(
        "see what the guest's log says on a and on b")
    assert _hopeless(told, goes_on=True, source=source, target=target) == "no room"
