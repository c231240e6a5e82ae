"""Objects of databases that earlier versions wrote are read, and claim what they claimed."""

from __future__ import annotations

import json

import pytest

from ganeti_core.config.codec import decode_object, encode_object
from ganeti_core.config.ganeti_format import logical_id
from ganeti_core.config.validate import claims_of
from ganeti_core.errors import ConfigurationError
from ganeti_core.model import Disk

PAIR = {
    "uuid": "d1", "template": "drbd", "size": 1024, "nodes": ["n1", "n2"], "instance": "i1",
    "logical_id": ["n1", "n2", 11000, 0, 3, "f00"],
    "params": {"minors": {"n1": 0, "n2": 3}, "port": 11000, "resync-rate": 1024},
    "children": [{"uuid": "c1", "template": "plain", "size": 1024, "logical_id": ["vg", "data"]}]}
PLAIN = {"uuid": "d2", "template": "file", "size": 8, "logical_id": ["loop", "/srv/a"],
         "params": {"port": "a parameter of this name"}}


def test_a_disk_of_two_nodes_keeps_what_it_drew() -> None:
    disk = decode_object("disk", json.dumps(PAIR))
    assert isinstance(disk, Disk)
    assert disk.granted == {"minor": {"n1": 0, "n2": 3}, "port": 11000, "secret": "f00"}
    assert disk.params == {"resync-rate": 1024}
    assert logical_id(disk) == PAIR["logical_id"]
    assert set(claims_of(disk)) == {
        ("minor:n1", "0"), ("minor:n2", "3"), ("port", "11000"), ("secret", "f00")}
    assert decode_object("disk", encode_object(disk)) == disk


def test_other_disks_are_as_they_were() -> None:
    disk = decode_object("disk", json.dumps(PLAIN))
    assert isinstance(disk, Disk)
    assert (disk.params, disk.granted) == (PLAIN["params"], {})


@pytest.mark.parametrize("text", ["[]", "7", "null", '{"params": []}'])
def test_what_is_no_object_is_damaged(text: str) -> None:
    with pytest.raises(ConfigurationError, match="damaged disk"):
        decode_object("disk", text)
