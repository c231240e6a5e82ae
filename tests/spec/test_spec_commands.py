"""A file and a running cluster: export, plan, apply, until nothing differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from virtual_cluster import VirtualCluster

from ganeti_core.spec.text import read, write

WEB = "web.example.com"
BASE: dict[str, Any] = {
    "groups": {"spec": {"alloc_policy": "last_resort", "ndparams": {"ssh_port": 2022},
                        "ipolicy": {"vcpu-ratio": 2.0}, "tags": ["role:spec"]}},
    "networks": {"lan": {"network": "10.7.0.0/24", "gateway": "10.7.0.1", "mac_prefix": "aa:00:07",
                         "reserved": ["10.7.0.9"], "tags": ["net"],
                         "groups": {"default": {"mode": "bridged", "link": "br7", "vlan": "7"}}}},
    "instances": {WEB: {
        "state": "down", "hypervisor": "fake", "disk_template": "file",
        "primary_node": "node1.example.com", "beparams": {"maxmem": 64, "minmem": 64},
        "disks": [{"size": 16, "name": "system"}, {"size": 8, "name": "data"}],
        "nics": [{"network": "lan", "ip": "pool"}, {"link": "br3", "mode": "bridged"}],
        "tags": ["web"]}}}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Files:
    """Writes documents as files of a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, document: dict[str, Any]) -> str:
        path = self._folder / "cluster.yaml"
        path.write_text(write({"version": 1, **document}))
        return str(path)


def exported(cluster: VirtualCluster, *options: str) -> dict[str, Any]:
    document = read(cluster.gnt("gnt-cluster", "export-spec", *options).stdout.encode(), "-")
    assert isinstance(document, dict)
    return document


def assert_settled(cluster: VirtualCluster, file: str, *options: str) -> None:
    again = cluster.try_("gnt-cluster", "plan", *options, file)
    assert again.status == 0, again
    assert "is as the file describes it" in again.stdout


def make_so(cluster: VirtualCluster, file: str, *options: str) -> str:
    """The plan names what differs, and after it was carried out nothing does."""
    shown = cluster.try_("gnt-cluster", "plan", *options, file)
    assert shown.status == 2, shown
    done = cluster.gnt("gnt-cluster", "apply", *options,
                       *(["--yes-do-it"] if options else []), file)
    assert_settled(cluster, file, *options)
    assert shown.stdout.partition("Jobs:")[0] in done.stdout
    return shown.stdout


@pytest.mark.timeout(900)
def test_a_cluster_is_made_changed_and_emptied(cluster: VirtualCluster, files: Files) -> None:
    before = exported(cluster, "--placement")
    assert_settled(cluster, files(before), "--prune")

    shown = make_so(cluster, files(BASE))
    assert [line for line in shown.splitlines() if line[0] in "+-~"] == [
        "+ group spec", "+ network lan", "+ network lan in group default", f"+ instance {WEB}"]
    assert "1: GROUP_ADD, TAGS_SET\n" in shown
    assert "4: INSTANCE_CREATE (after 3)\n" in shown
    now = exported(cluster, "--placement")
    assert_settled(cluster, files(now), "--prune")
    assert now["groups"]["spec"] == {**BASE["groups"]["spec"], "diskparams": {}}
    lan = now["networks"]["lan"]
    assert (lan["reserved"], lan["groups"]["default"]["vlan"]) == (["10.7.0.9"], ".7")
    web = now["instances"][WEB]
    assert web["nics"][0]["network"] == "lan"
    assert web["nics"][0]["mac"].startswith("aa:00:07")
    assert "link" not in web["nics"][0]
    assert "primary_node" not in exported(cluster)["instances"][WEB]

    for changes in CHANGES:
        for path, value, _ in changes:
            at = now
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
        shown = make_so(cluster, files(now)).splitlines()
        assert [line for _, _, line in changes if f"    {line}" not in shown] == [], shown

    # The reason of a job names the file.
    with cluster.luxi() as client:
        rows = client.query("job", ["id", "ops"], None)["data"]
    trail = rows[-1][1][1][0]["reason"]
    assert [entry[0] for entry in trail[:2]] == ["gnt:client:gnt-cluster", "gnt:spec"]
    assert trail[1][1].endswith(f"instance {WEB}")

    del now["instances"][WEB]
    file = files(now)
    left = cluster.try_("gnt-cluster", "plan", file)
    assert left.status == 0, left
    assert f"    instance {WEB}\n" in left.stdout
    asked = cluster.try_("gnt-cluster", "apply", "--prune", file)
    assert asked.status == 13, asked
    assert f"instance {WEB}" in asked.stderr
    assert cluster.instances() == [[WEB]]

    assert "- instance" in make_so(cluster, files(before), "--prune")
    assert exported(cluster, "--placement") == before


CHANGES: list[list[tuple[tuple[Any, ...], Any, str]]] = [
    # Each with what the plan says of it; those of one list are applied together.
    [(("cluster", "candidate_pool_size"), 9, "candidate_pool_size: 10 -> 9"),
     (("cluster", "beparams"), {"vcpus": 2}, "beparams/vcpus: default -> 2"),
     (("cluster", "tags"), ["owner:us"], "tags: +owner:us"),
     (("cluster", "hidden_os"), ["old"], "hidden_os: +old"),
     (("cluster", "ipolicy", "spindle-ratio"), 16.0, "ipolicy/spindle-ratio: 32.0 -> 16.0"),
     (("groups", "spec", "ndparams", "ssh_port"), 2023, "ndparams/ssh_port: 2022 -> 2023"),
     (("groups", "spec", "alloc_policy"), "unallocable",
      "alloc_policy: last_resort -> unallocable"),
     (("groups", "spec", "ipolicy", "vcpu-ratio"), "default", "ipolicy/vcpu-ratio: 2.0 -> default"),
     (("groups", "spec", "tags"), ["role:spec", "more"], "tags: +more"),
     (("nodes", "node3.example.com", "tags"), ["rack:3"], "tags: +rack:3"),
     (("nodes", "node3.example.com", "group"), "spec", "group: default -> spec"),
     (("nodes", "node2.example.com", "ndparams"), {"spindle_count": 4},
      "ndparams/spindle_count: default -> 4"),
     (("networks", "lan", "gateway"), "10.7.0.200", "gateway: 10.7.0.1 -> 10.7.0.200"),
     (("networks", "lan", "reserved"), ["10.7.0.9", "10.7.0.10"], "reserved: +10.7.0.10"),
     (("networks", "lan", "groups", "spec"), {"mode": "routed", "link": "main"}, "link: main")],
    [(("instances", WEB, "beparams", "maxmem"), 96, "beparams/maxmem: 64 -> 96"),
     (("instances", WEB, "beparams", "minmem"), 32, "beparams/minmem: 64 -> 32"),
     (("instances", WEB, "disks", 1, "size"), 24, "disks/1/size: 8 -> 24"),
     (("instances", WEB, "disks", 1, "mode"), "ro", "disks/1/mode: rw -> ro"),
     (("instances", WEB, "nics", 0, "ip"), "10.7.0.77", "nics/0/ip: 10.7.0.2 -> 10.7.0.77"),
     (("instances", WEB, "nics", 1, "name"), "second", "nics/1/name: (none) -> second"),
     (("instances", WEB, "tags"), ["web", "prod"], "tags: +prod")],
    [(("instances", WEB, "state"), "offline", "state: down -> offline")],
    [(("instances", WEB, "state"), "up", "state: offline -> up")],
    [(("instances", WEB, "state"), "down", "state: up -> down")],
]


def test_what_cannot_be_is_refused_and_nothing_is_done(
    cluster: VirtualCluster, files: Files, tmp_path: Path
) -> None:
    node = {"nodes": {"node9.example.com": {}}, "cluster": {"candidate_pool_size": 8}}
    for command in ("plan", "apply"):
        ran = cluster.try_("gnt-cluster", command, files(node))
        assert ran.status == 1, ran
        assert "Not possible: node node9.example.com: it is not in the cluster" in ran.stderr
    assert exported(cluster)["cluster"]["candidate_pool_size"] != 8
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\ngroups: {default: {alloc_policy: sometimes}}\n")
    ran = cluster.try_("gnt-cluster", "plan", str(bad))
    assert ran.status == 1, ran
    assert f"{bad}: groups/default/alloc_policy: found 'sometimes'; expected one of" in ran.stderr
    ran = cluster.try_("gnt-cluster", "apply", str(tmp_path / "none.yaml"))
    assert ran.status == 1, ran
    assert "none.yaml: No such file" in ran.stderr


def test_a_failed_job_stops_those_after_it(cluster: VirtualCluster, files: Files) -> None:
    ran = cluster.try_("gnt-cluster", "apply", files({
        "cluster": {"file_storage_dir": "not/absolute"}, "groups": {"never": {}}}))
    assert ran.status == 1, ran
    assert "never" not in exported(cluster)["groups"]


def test_a_file_may_come_from_standard_input_and_any_reader_reads_it(
    cluster: VirtualCluster,
) -> None:
    text = cluster.gnt("gnt-cluster", "export-spec").stdout
    assert text.startswith("# The cluster ")
    assert yaml.safe_load(text) == read(text.encode(), "-")
    ran = cluster.try_("gnt-cluster", "plan", "-", stdin=text)
    assert ran.status == 0, ran
