"""What all tests share: which machines they need, and clusters of real daemons."""

from __future__ import annotations

import datetime
import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from virtual_cluster import VirtualCluster, virtual_cluster

ROUNDS, ROUNDS_OF_LAB = 50, 5
"""In which a fault meets an operation: in `make torture`, and in `make lab`."""
QEMU = "qemu-system-x86_64"

# How long an example takes says nothing on a machine that is busy with something else.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--safety-seed", type=int,
                     help="of the first round in which a fault meets an operation")
    parser.addoption("--safety-rounds", type=int, help="how many of them there are")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the rounds of a fault and an operation their seeds: others each day."""
    if "safety_seed" not in metafunc.fixturenames:
        return
    given, rounds = (metafunc.config.getoption(name) for name in (
        "--safety-seed", "--safety-rounds"))
    first = datetime.date.today().toordinal() * 100 if given is None else given
    metafunc.parametrize("safety_seed", [
        pytest.param(seed, id=f"seed-{seed}", marks=[pytest.mark.torture, *(
            [pytest.mark.lab] if seed < first + ROUNDS_OF_LAB else [])])
        for seed in range(first, first + (rounds or ROUNDS))])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without a look for garbage: they stay until the end.

    That look was a tenth of all work of the processes that run them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = {}
    if os.geteuid() != 0:
        missing["needs_root"] = "needs root"
    if shutil.which(QEMU) is None:
        missing["needs_qemu"] = f"needs {QEMU} (apt-get install qemu-system-x86)"
    for item in items:
        for mark, reason in missing.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))
    _begin_with_clusters(items)


def _begin_with_clusters(items: list[pytest.Item]) -> None:
    """Put the files that use clusters first: a file with few tests may take minutes, and nothing
    would be left to run beside the last of them."""
    def is_quick(item: pytest.Item) -> bool:
        names = vars(getattr(item, "module", None) or object)
        return not any(getattr(value, "__module__", "") == virtual_cluster.__module__
                       for value in names.values())

    items.sort(key=is_quick)


@pytest.fixture(scope="module")
def make_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., VirtualCluster]]:
    """Make clusters that live until the module's tests have run.

    Call it with options of ``gnt-vcluster up``, such as ``"--nodes", "3"``; `root` may be given.
    """
    with ExitStack() as clusters:
        def make(*options: str, root: Path | None = None) -> VirtualCluster:
            folder = root or tmp_path_factory.mktemp("vcluster") / "c"
            return clusters.enter_context(virtual_cluster(folder, *options))

        yield make


_of_folders: dict[Path, tuple[ExitStack, VirtualCluster]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """End a folder's cluster when the last test of the folder has ended.

    For pytest's own scope of that kind a folder has to be a Python package; in others it lasts
    until the run ends, and idle daemons were a tenth of a run's work.
    """
    try:
        return (yield)
    finally:
        folder = item.path.parent
        if nextitem is None or nextitem.path.parent != folder:
            _end_cluster_of(folder)


def pytest_sessionfinish() -> None:
    """End what a run that was given up has left."""
    for folder in list(_of_folders):
        _end_cluster_of(folder)


def _end_cluster_of(folder: Path) -> None:
    if folder in _of_folders:
        _of_folders.pop(folder)[0].close()


@pytest.fixture(scope="module")
def of_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., VirtualCluster]:
    """Give the one cluster of all tests in a folder, each of which leaves it as it found it.

    Call it with options of ``gnt-vcluster up``.
    """
    folder = request.path.parent

    def make(*options: str) -> VirtualCluster:
        if folder not in _of_folders:
            stack = ExitStack()
            root = tmp_path_factory.mktemp(folder.name) / "c"
            _of_folders[folder] = stack, stack.enter_context(virtual_cluster(root, *options))
        return _of_folders[folder][1]

    return make


@pytest.fixture(scope="module")
def three_nodes(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    """Three nodes with the fake hypervisor, shared by the tests of a module."""
    return make_cluster("--nodes", "3", "--hypervisor", "fake")


@pytest.fixture
def cluster(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    """The module's cluster; a test must leave it clean and without instances of its own."""
    before = three_nodes.instances("name")
    yield three_nodes
    three_nodes.bring_back()
    for name in three_nodes.instances("name"):
        if name not in before:
            three_nodes.try_("gnt-instance", "remove", "-f", "--ignore-failures", name[0])
