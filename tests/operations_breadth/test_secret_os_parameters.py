"""What an OS definition declares secret or private is stored and shown nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_party import install
from virtual_cluster import Ran, VirtualCluster

TOKEN = "tok-4711-0815-tok"
SOURCE = Path(__file__).parents[1] / "plugins/os_scripts/secret_os.py"
NEW = ("-t", "file", "-s", "16M", "-B", "memory=64M", "-n", "node1", "--no-start",
       "--no-ip-check", "--no-name-check")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes") / "notes"


@pytest.fixture(scope="module")
def cluster(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory,
    notes: Path,
) -> VirtualCluster:
    folder = tmp_path_factory.mktemp("distributions")
    install(folder, "ganeti-secretive", {"os:secretive": "SecretSystem"}, SOURCE.read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("SECRET_OS_NOTES", str(notes))
        return make_cluster("--nodes", "1", "--hypervisor", "fake")


@pytest.fixture
def added(cluster: VirtualCluster) -> Iterator[str]:
    name = "web1.example.com"
    ran = add(cluster, name, "-O", "suite=testing", "--os-parameters-private", "owner=somebody",
              "--os-parameters-secret", f"token={TOKEN}")
    assert ran.status == 0, ran
    yield name
    cluster.gnt("gnt-instance", "remove", "-f", name)


def add(cluster: VirtualCluster, name: str, *options: str) -> Ran:
    return cluster.try_("gnt-instance", "add", *NEW, "-o", "secretive", *options, name)


def assert_nowhere(cluster: VirtualCluster, text: str) -> None:
    """Assert that no file of the node has it: configuration, jobs, logs."""
    for path in cluster.paths().root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert text.encode() not in path.read_bytes(), path


def noted(notes: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def test_a_secret_reaches_the_installation_only(
    cluster: VirtualCluster, added: str, notes: Path
) -> None:
    checked, installed = noted(notes)[-2:]
    assert checked["params"] == installed["params"] == {
        "suite": "testing", "owner": "somebody", "token": TOKEN}
    assert installed["secret"] == ["owner", "token"]
    assert_nowhere(cluster, TOKEN)
    shown = cluster.gnt("gnt-instance", "list", "--no-headers", "-o", "osparams,custom_osparams")
    assert "somebody" not in shown.stdout
    assert "testing" in shown.stdout


def test_defaults_of_the_schema_are_filled_in(
    cluster: VirtualCluster, added: str, notes: Path
) -> None:
    cluster.gnt("gnt-instance", "modify", "-O", "suite=default", added)
    assert noted(notes)[-1] == {
        "hook": "validate", "params": {"suite": "stable", "owner": "somebody"}}


@pytest.mark.parametrize(("options", "problem"), [
    (("-O", f"token={TOKEN}"), "'token' of the OS secretive is secret: give it with "
                               "--os-parameters-secret"),
    (("--os-parameters-private", f"token={TOKEN}"), "'token' of the OS secretive is secret"),
    (("-O", f"owner={TOKEN}"), "'owner' of the OS secretive is private: give it with "
                               "--os-parameters-private"),
])
def test_what_would_show_it_is_refused_before_a_job_is_written(
    cluster: VirtualCluster, added: str, options: tuple[str, str], problem: str
) -> None:
    for ran in (add(cluster, "web2.example.com", *options),
                cluster.try_("gnt-instance", "reinstall", "-f", *options, added),
                cluster.try_("gnt-instance", "modify", *options, added),
                cluster.try_("gnt-os", "modify", *options, "secretive")):
        assert ran.status == 1, ran
        assert problem in ran.stderr, ran
    assert_nowhere(cluster, TOKEN)


def test_a_multiple_allocation_is_checked_too(cluster: VirtualCluster, tmp_path: Path) -> None:
    with cluster.luxi() as client:
        before = client.query_jobs([], ["id"])
        with pytest.raises(Exception, match=r"token.*is secret"):
            client.submit_job([{"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": [
                {"instance_name": "a", "os_type": "secretive", "osparams": {"token": TOKEN}}]}])
        assert client.query_jobs([], ["id"]) == before
