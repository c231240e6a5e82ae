"""A live migration that is refused, cut off, canceled or struck never ends the guest.

Whatever happens, afterwards exactly one guest runs, on the node that the configuration names, and
it is the one that ran before: it goes on to count.
"""

from __future__ import annotations

import signal

import pytest
from moving import LONG, NAME, Mover
from virtual_cluster import wait_until

pytestmark = [pytest.mark.needs_qemu, pytest.mark.timeout(900)]
NO_NETWORK = ("--no-nics", "--no-name-check", "--no-ip-check")
ARRIVED = "* memory transfer complete"
"""The guest runs on the target, and the configuration does not know it yet."""
PHASES = ("Migrating instance", "* preparing", "* migrating", "* starting memory transfer")


def at_each(*phases: str, often: tuple[str, ...]) -> pytest.MarkDecorator:
    """Ask a test of each of the phases: in `make test` of those that are to be asked often."""
    return pytest.mark.parametrize("phase", [
        pytest.param(phase, marks=() if phase in often else pytest.mark.torture)
        for phase in phases])


@pytest.fixture(scope="module")
def module_mover(make_cluster):
    cluster = make_cluster("--nodes", "3", "--hypervisor", "kvm", "--disk-templates", "sharedfile",
                           "-H", "kvm:kvm_flag=disabled,kernel_path=,migration_bandwidth=1")
    # Empty memory is sent as well, some bytes a page: at 1 MiB/s that takes about two seconds.
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
                "memory=512M", "-n", "node2", *NO_NETWORK, NAME)
    mover = Mover(cluster)
    wait_until(lambda: mover.count() > 8, "the guest counts", LONG)
    return mover


@pytest.fixture
def mover(module_mover):
    began = module_mover.count()
    yield module_mover
    module_mover.cluster.bring_back()
    module_mover.check(began)


def test_a_migration_that_the_driver_refuses(mover):
    """The guest was changed since its start, so the target would build another machine."""
    cluster, home = mover.cluster, mover.home
    cluster.gnt("gnt-instance", "modify", "-B", "memory=128M", NAME)
    ran = cluster.try_("gnt-node", "migrate", "-f", "-n", mover.other, home)
    assert ran.status == 1
    assert "restart it first" in ran.stdout + ran.stderr
    assert "successfully" not in ran.stdout
    assert mover.home == home
    cluster.gnt("gnt-instance", "modify", "-B", "memory=512M", NAME)


@pytest.mark.parametrize("phase", ["* migrating instance to", "* starting memory transfer"])
def test_a_receiver_that_is_lost(mover, phase):
    """Whether this is noticed as the transfer begins, while it lasts, or after it."""
    home = mover.home
    job = mover.migrate()
    mover.strike(job, phase, mover.other, signal.SIGKILL)
    assert mover.await_end(job) == "error"
    assert f"Could not migrate instance {NAME}" in mover.log(job)
    assert mover.home == home


def test_a_receiver_that_hangs_during_the_transfer(mover):
    """Nothing gets through, and nobody says so: until the user gives up."""
    home = mover.home
    job = mover.migrate()
    mover.strike(job, "* starting memory transfer", mover.other, signal.SIGSTOP)
    mover.cluster.try_("gnt-job", "cancel", job)
    assert mover.await_end(job) == "canceled"
    assert mover.home == home


@pytest.mark.parametrize("phase", [*PHASES, ARRIVED])
def test_a_migration_that_is_canceled(mover, phase):
    home, other = mover.home, mover.other
    job = mover.migrate()
    mover.await_line(job, phase)
    mover.cluster.try_("gnt-job", "cancel", job)
    status = mover.await_end(job)
    assert (status, mover.home) in {("canceled", home), ("success", other)}


@at_each(*PHASES, ARRIVED, often=(PHASES[-1], ARRIVED))
def test_a_migration_that_is_killed(mover, phase):
    home, other = mover.home, mover.other
    job = mover.migrate()
    mover.await_line(job, phase)
    mover.cluster.try_("gnt-job", "cancel", "--kill", "--yes-do-it", job)
    status = mover.await_end(job)
    assert (status, mover.home) in {("canceled", home), ("success", other)}


@at_each(*PHASES[1:], ARRIVED, often=(PHASES[-1], ARRIVED))
def test_a_master_that_dies_during_a_migration(mover, phase):
    home, other = mover.home, mover.other
    job = mover.migrate()
    mover.await_line(job, phase)
    mover.cluster.tool("stop", "--kill", "node1", "masterd")
    mover.cluster.bring_back()
    status = mover.await_end(job)
    assert (status, mover.home) in {("error", home), ("success", other)}


@at_each("* preparing", "* starting memory transfer", often=("* starting memory transfer",))
@pytest.mark.parametrize("end", ["home", "other"])
def test_a_node_daemon_that_dies_during_a_migration(mover, end, phase):
    home, other = mover.home, mover.other
    job = mover.migrate()
    mover.await_line(job, phase)
    mover.cluster.tool("stop", "--kill", getattr(mover, end), "noded")
    mover.await_end(job)
    assert mover.home in (home, other)


def test_both_node_daemons_die_during_a_migration(mover):
    """While neither says what it has nothing is decided, and nothing is given up."""
    home, other = mover.home, mover.other
    job = mover.migrate()
    mover.await_line(job, "* starting memory transfer")
    for node in (home, other):
        mover.cluster.tool("stop", "--kill", node, "noded")
    mover.cluster.bring_back()
    mover.await_end(job)
    assert mover.home in (home, other)


def test_a_guest_that_dies_while_it_is_sent(module_mover):
    """Its half on the target is thrown away, and it can be started where it was."""
    mover, cluster, home = module_mover, module_mover.cluster, module_mover.home
    job = mover.migrate()
    mover.strike(job, "* starting memory transfer", home, signal.SIGKILL)
    assert mover.await_end(job) == "error"
    wait_until(lambda: mover.qemus() == {}, "nothing is left of it", LONG)
    assert cluster.instances("pnode", "status") == [[f"{home}.example.com", "ERROR_down"]]
    cluster.gnt("gnt-instance", "start", NAME)
    mover.check(began=-1)
    assert mover.home == home


def test_its_disk_becomes_another_one_and_it_can_be_migrated_then(mover):
    ran = mover.cluster.gnt("gnt-instance", "modify", "-t", "sharedfile",
                            "--file-storage-dir=gold", NAME)
    assert "Copying disk/0 while the guest runs" in ran.stdout
    other = mover.other
    assert mover.await_end(mover.migrate()) == "success"
    assert mover.home == other


def test_a_cleanup_finds_nothing_to_do(mover):
    home = mover.home
    ran = mover.cluster.gnt("gnt-instance", "migrate", "--cleanup", "-f", NAME)
    assert "nothing to clean up" in ran.stdout
    assert mover.home == home


def test_an_instance_that_always_fails_over(module_mover):
    mover, cluster, other = module_mover, module_mover.cluster, module_mover.other
    cluster.gnt("gnt-instance", "modify", "-B", "always_failover=true", NAME)
    ran = cluster.gnt("gnt-instance", "migrate", "-f", "-n", other, NAME)
    assert "using failover" in ran.stdout
    assert mover.home == other
    cluster.gnt("gnt-instance", "modify", "-B", "always_failover=default", NAME)
    mover.check(began=-1)  # it was started anew
