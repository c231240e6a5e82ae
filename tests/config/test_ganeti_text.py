"""The text of ``config.data`` is that of the whole configuration, whatever has changed since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from cluster_objects import CLUSTER, GROUP, NODE, disk, instance
from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_core.config.codec import encode_object
from ganeti_core.config.decoded import DecodedObjects
from ganeti_core.config.ganeti_format import write_config
from ganeti_core.config.ganeti_text import ConfigText
from ganeti_core.model import KINDS, ConfigObject

KIND_OF = {cls: str(kind) for kind, cls in KINDS.items()}
INSTANCES = st.builds(
    lambda number, forthcoming, disks: instance(
        number, forthcoming=forthcoming, disks=tuple(f"disk{one}" for one in disks)),
    st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 4), max_size=3, unique=True))
DISKS = st.builds(
    lambda number, owner, size: disk(number, instance=f"inst{owner}", size=size),
    st.integers(0, 4), st.integers(0, 3), st.integers(1, 3))
STATES = st.lists(st.dictionaries(
    st.sampled_from(range(9)), st.one_of(INSTANCES, DISKS), max_size=8), max_size=6)


@settings(max_examples=200, deadline=None)
@given(STATES)
def test_the_text_is_that_of_the_whole_configuration(
    states: list[Mapping[int, ConfigObject]],
) -> None:
    objects, text = DecodedObjects(), ConfigText()
    for serial, state in enumerate(states, 1):
        # Each of them changes in some steps and in others stays what it was.
        cluster = replace(CLUSTER, mtime=float(serial // 2))
        group = replace(GROUP, alloc_policy=("preferred", "last_resort")[serial // 3 % 2])
        node = replace(NODE, offline=serial % 3 == 0)
        there = {one.uuid: one for one in (cluster, group, node, *state.values())}
        snapshot = objects.snapshot(
            [(KIND_OF[type(one)], one.uuid, encode_object(one)) for one in there.values()],
            {"config_serial": str(serial)})
        assert text.write(snapshot) == json.dumps(
            write_config(snapshot), sort_keys=True, separators=(",", ":"))


def test_an_object_stays_the_same_one_while_its_document_does() -> None:
    objects = DecodedObjects()

    def read(*values: ConfigObject) -> Mapping[str, ConfigObject]:
        return objects.snapshot(
            [(KIND_OF[type(one)], one.uuid, encode_object(one)) for one in values], {}).instances

    before = read(CLUSTER, instance(1), instance(2))
    after = read(CLUSTER, instance(1), instance(2, os="other"))
    assert after["inst1"] is before["inst1"]
    assert after["inst2"].os == "other"
    assert set(read(CLUSTER, instance(2))) == {"inst2"}
