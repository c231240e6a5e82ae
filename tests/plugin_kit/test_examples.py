"""The examples of the documentation: each keeps its contract, all together run a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from author import TOP, Author, derived_environment
from virtual_cluster import wait_until

from ganeti_core.plugin_api.all_kinds import KINDS

EXAMPLES = sorted(path.parent for path in (TOP / "docs/examples").glob("*/pyproject.toml"))
LONGEST = 79
LONG = ("disk-qcow2", "os-tree")
"""Their own tests run real programs for long."""
FIXTURES = "conformance.py"
NAMES = {example: example.name for example in EXAMPLES}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="an open qcow2 image is a FUSE mount")


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES.get)
def test_no_example_is_long(example: Path) -> None:
    code = {module: len(module.read_text().splitlines())
            for module in example.rglob("src/**/*.py") if module.name != FIXTURES}
    assert sum(code.values()) <= LONGEST, code


def test_there_is_an_example_of_each_kind() -> None:
    text = "".join((example / "pyproject.toml").read_text() for example in EXAMPLES)
    assert [kind.name for kind in KINDS.values() if f'"{kind.group}"' not in text] == []


@pytest.mark.parametrize("example", [
    pytest.param(example, marks=pytest.mark.torture if example.name in LONG else (),
                 id=example.name) for example in EXAMPLES])
@pytest.mark.timeout(900)
def test_the_example_passes_its_tests(example: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis",
         "-W", "error"],
        cwd=example, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout or "/dev/fuse" in done.stdout


@pytest.fixture(scope="module")
def with_examples(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Author:
    """An author who has installed all examples."""
    folder = tmp_path_factory.mktemp("examples")
    author = Author(derived_environment(base, folder / "env"), folder)
    sources = author.home / "sources"
    shutil.copytree(TOP / "docs/examples", sources,
                    ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    author.must("pip", "install", "-q",
                *(f"./{example.name}" for example in EXAMPLES), cwd=sources)
    return author


@pytest.fixture
def cluster(with_examples: Author) -> Iterator[Author]:
    """Two nodes with the example hypervisor and the example disk template."""
    root = with_examples.home / "cluster"
    try:
        with_examples.must("gnt-vcluster", "up", "--root", str(root), "--nodes", "2",
                           "--hypervisor", "process", "--disk-templates", "qcow2,ext")
        yield with_examples
    finally:
        with_examples.run("gnt-vcluster", "down", "--root", str(root))


def on_master(author: Author, *words: str) -> str:
    root = str(author.home / "cluster")
    return author.must("gnt-vcluster", "exec", "--root", root, "master", "--", *words)


def verify(author: Author) -> None:
    """The cluster is clean, or becomes so: small files follow a change within seconds."""
    words = ("gnt-vcluster", "exec", "--root", str(author.home / "cluster"), "master", "--",
             "gnt-cluster", "verify")
    last: list[str] = []

    def clean() -> bool:
        done = author.run(*words)
        last[:] = [done.stdout]
        return done.returncode == 0 and "ERROR" not in done.stdout

    try:
        wait_until(clean, "a clean cluster", pause=0.5)
    except AssertionError:
        raise AssertionError(*last) from None


@pytest.mark.examples
@pytest.mark.needs_root
@needs_root
@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="there is no /dev/fuse")
@pytest.mark.timeout(900)
@pytest.mark.torture
def test_a_cluster_runs_on_examples_alone(cluster: Author) -> None:
    files = cluster.home / "files"
    (files / "etc").mkdir(parents=True)
    for number in (1, 2):
        on_master(
            cluster, "gnt-instance", "add", "-t", "qcow2", "--disk", "0:size=32m",
            "-B", "memory=64m", "-o", "tree+folder", "-O", f"folder={files}", "-I", "spread",
            "--tags", "spread:web", "--no-ip-check", "--no-name-check", "--no-nics",
            f"inst{number}.example.com")
    listed = on_master(cluster, "gnt-instance", "list", "--no-headers", "--separator", " ",
                       "-o", "name,hypervisor,pnode,status").splitlines()
    rows = [line.split() for line in listed]
    assert [row[1::2] for row in rows] == [["process", "running"]] * 2
    assert {row[2] for row in rows} == {"node1.example.com", "node2.example.com"}, (
        "two instances with one spread: tag share a node")
    verify(cluster)
    plugins = on_master(cluster, "gnt-plugin", "list", "--separator", " ")
    assert "hypervisors process 0 0.1.0 ganeti-hypervisor-process" in plugins
    on_master(cluster, "gnt-instance", "reboot", "inst1.example.com")
    for number in (1, 2):
        on_master(cluster, "gnt-instance", "remove", "-f", f"inst{number}.example.com")
    left = [path for path in (cluster.home / "cluster").rglob("*") if ".qcow2" in path.name]
    assert left == []


@pytest.mark.torture
@pytest.mark.examples
@pytest.mark.timeout(900)
def test_a_provider_gives_disks_as_they_are_asked_for(cluster: Author) -> None:
    add = ("gnt-instance", "add", "-t", "ext", "-B", "memory=64m", "-o", "tree+empty",
           "-n", "node1.example.com", "--no-ip-check", "--no-name-check", "--no-nics", "--disk")
    on_master(cluster, *add, "0:size=16m,provider=folder,folder=/volumes", "vol.example.com")
    (volume,) = (cluster.home / "cluster/node1/volumes").iterdir()
    assert volume.stat().st_size == 16 * 1024**2
    root = str(cluster.home / "cluster")
    for wrong, said in {"provider=attic": "attic", "provider=folder,folder=x": "no path"}.items():
        done = cluster.run("gnt-vcluster", "exec", "--root", root, "master", "--", *add,
                           f"0:size=16m,{wrong}", "wrong.example.com")
        assert done.returncode != 0
        assert said in done.stdout
    # Nothing is owed for what was refused: the node goes on to work.
    on_master(cluster, "gnt-instance", "remove", "-f", "vol.example.com")
    assert not volume.exists()
    verify(cluster)


@pytest.mark.examples
@pytest.mark.timeout(900)
@pytest.mark.torture
def test_each_installed_example_can_be_checked(with_examples: Author) -> None:
    for example in EXAMPLES:
        # The rest of the kit ran above, from the sources.
        said = with_examples.must("gnt-plugin", "check", f"ganeti-{example.name}", "-k", "describe")
        assert "loads" in said
        assert "6 passed" in said or "/dev/fuse" in said
