"""Configurations of real Ganeti clusters come in, and go out again with nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.config.codec import decode_object, encode_object
from ganeti_core.config.ganeti_format import OWN_KEY, read_config, write_config
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.config.store import snapshot_of
from ganeti_core.errors import ConfigurationError
from ganeti_core.model import KINDS, Cluster, ConfigObject, Disk, Node

FOLDER = Path(__file__).parent.parent / "data/config"
FILES = sorted(file.name for file in FOLDER.glob("*.json"))
KIND_OF = {cls: kind for kind, cls in KINDS.items()}
# What a file may leave out, and what it then means.
MEANT = {"tags": [], "children": [], "mode": "rw", "ctime": 0.0, "mtime": 0.0}


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / name).read_text()))


def snapshot_with(objects: list[ConfigObject], serial: int) -> Snapshot:
    """As the database gives them back."""
    kept = [(KIND_OF[type(value)], value.uuid,
             decode_object(KIND_OF[type(value)], encode_object(value))) for value in objects]
    return snapshot_of(kept, {"config_serial": str(serial), "epoch": "1"})


def there_and_back(data: dict[str, Any], **options: Any) -> dict[str, Any]:
    written = write_config(snapshot_with(read_config(data), data["serial_no"]), **options)
    return dict(json.loads(json.dumps(written)))


def assert_kept(before: Any, after: Any, where: str = "") -> None:
    """All that was there is there; what came on top is what its absence meant."""
    if isinstance(before, dict):
        for key in before:
            assert key in after, f"{where}.{key} is lost"
            assert_kept(before[key], after[key], f"{where}.{key}")
        for key in after.keys() - before.keys():
            assert key in MEANT, f"{where}.{key} is new"
            assert after[key] == MEANT[key], f"{where}.{key}"
    elif isinstance(before, list):
        assert len(before) == len(after), where
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            assert_kept(one, other, f"{where}[{number}]")
    else:
        assert before == after, where


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_lost(name: str) -> None:
    data = load(name)
    assert_kept(data, there_and_back(data))


@pytest.mark.parametrize("name", FILES)
def test_the_second_time_nothing_changes_at_all(name: str) -> None:
    once = there_and_back(load(name))
    assert there_and_back(once) == once


@pytest.mark.parametrize("name", FILES)
def test_unknown_keys_are_kept_wherever_they_are(name: str) -> None:
    data = load(name)
    data["of_the_file"] = {"a": [1, None]}
    data["cluster"]["of_the_cluster"] = "x"
    for kind in ("nodes", "nodegroups", "instances", "disks", "networks"):
        for entry in data[kind].values():
            entry["from_the_future"] = {"deep": [True]}
    for instance in data["instances"].values():
        for nic in instance["nics"]:
            nic["vf"] = 3
    assert_kept(data, there_and_back(data))


def test_what_it_means_to_us() -> None:
    data = load("ganeti-3.1.json")
    snapshot = snapshot_with(read_config(data), 1)
    assert snapshot.cluster.name == "cluster.name.example.com"
    assert snapshot.master.uuid == data["cluster"]["master_node"]
    mirrored = snapshot.instance("instance1.example.com")
    assert mirrored.disk_template == "drbd"
    assert mirrored.secondary_nodes == ("41f9c238-173c-4120-9e41-04ad379b647a",)
    assert snapshot.instance("instance3.example.com").disk_template == "plain"
    [disk] = snapshot.disks_of(mirrored)
    assert disk.instance == mirrored.uuid
    assert len(disk.children) == 2
    # Taken from the cluster's pools: nobody else gets them.
    assert snapshot.claims["port"]["32100"] == disk.uuid
    assert snapshot.claims[f"minor:{mirrored.primary_node}"]["0"] == disk.uuid


def test_private_parameters_are_kept_and_secret_ones_never() -> None:
    data = load("ganeti-3.0-lab.json")
    instance = next(iter(data["instances"].values()))
    instance["osparams_private"] = {"password": "kept"}
    instance["osparams_secret"] = {"key": "never"}
    data["cluster"]["osparams_private_cluster"] = {"noop": {"token": "kept too"}}
    snapshot = snapshot_with(read_config(data), 1)
    assert snapshot.instances[instance["uuid"]].osparams_private == {"password": "kept"}
    everything = "".join(encode_object(value) for kind in KINDS
                         for value in snapshot.of_kind(kind).values())
    assert "never" not in everything
    assert "never" not in json.dumps(write_config(snapshot))
    assert "kept too" in json.dumps(write_config(snapshot))


def test_filter_rules() -> None:
    data = load("ganeti-3.0.json")
    data["filters"] = {"f1": {
        "uuid": "f1", "watermark": 7, "priority": 2, "action": ["RATE_LIMIT", 3],
        "predicates": [["jobid", [">", "id", "watermark"]]],
        "reason_trail": [["user", "throttle", 1]], "serial_no": 1, "ctime": 1.5, "mtime": 2.5}}
    snapshot = snapshot_with(read_config(data), 1)
    assert snapshot.filters["f1"].action == ["RATE_LIMIT", 3]
    assert_kept(data["filters"], there_and_back(data)["filters"])


def test_our_own_settings_come_along_only_if_asked_for() -> None:
    objects: list[ConfigObject] = []
    for value in read_config(load("ganeti-3.0.json")):
        if isinstance(value, Node):
            value = Node(**{**vars(value), "port": 2811, "fingerprint": f"f-{value.name}"})
        elif isinstance(value, Cluster):
            value = Cluster(**{**vars(value), "os_search_path": ("/srv/os",),
                               "disabled_plugins": ("kvm",)})
        objects.append(value)
    snapshot = snapshot_with(objects, 9)
    plain = write_config(snapshot)
    assert "2811" not in json.dumps(plain)
    assert OWN_KEY not in plain
    back = read_config(json.loads(json.dumps(write_config(snapshot, own=True))))
    assert {value.uuid: value for value in back} == {value.uuid: value for value in objects}


@pytest.mark.parametrize("change", [
    {"version": 2_150_000}, {"version": None}, {"cluster": {}}, {"nodes": []},
    {"disks": {"d": {"size": "large"}}}, {"instances": {"i": {"name": "x"}}}])
def test_what_cannot_be_read_says_so(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        read_config(load("ganeti-3.0.json") | change)


def test_disks_of_nobody_keep_their_place() -> None:
    data = load("ganeti-3.0-lab.json")
    loose = dict(next(iter(data["disks"].values())), uuid="loose", iv_name="disk/7")
    data["disks"]["loose"] = loose
    disks = [value for value in read_config(data)
             if isinstance(value, Disk) and value.uuid == "loose"]
    assert disks[0].instance == ""
    assert_kept(data, there_and_back(data))
