"""What a call means is in an entry of the undo log as typed tags, kept with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ganeti_core.operations.saga import Entry, Tag, gives_back, tags_of
from ganeti_core.rpc.calls import Call


def call(hook: str, kind: str = "hypervisors", **arguments: Any) -> Call:
    args = {"kind": kind, "driver": "mine", "hook": hook, "arguments": arguments}
    return Call("hook", args, "uuid-1", True)


@pytest.mark.parametrize(("made", "tags"), [
    (call("stop"), set()),
    (call("start"), {Tag.MAY_START, Tag.GIVES_BACK}),
    (call("start", kind="disk_templates"), set()),
    (call("plug_nic"), {Tag.GIVES_BACK}),
    (call("migration_finish", source=True, success=True), set()),
    (call("migration_finish", source=True, success=False), {Tag.MAY_START}),
    (call("migration_finish", source=False, success=True), {Tag.MAY_START, Tag.ENDS_RECEIVER}),
    (call("migration_finish", source=False, success=False), {Tag.ENDS_RECEIVER}),
    (Call("node.leave", {}, "", True), set()),
])
def test_what_a_call_means(made: Call, tags: set[Tag]) -> None:
    assert tags_of(made) == tags


def test_tags_are_kept_and_an_older_entry_gets_them() -> None:
    entry = Entry(1, 0, 2, "undo", "node1", call("start"), "start it", tags=tags_of(call("start")))
    write = entry.to_write()
    assert Entry.from_row((*entry.key, write.doc)) == entry
    older = json.loads(write.doc)
    del older["tags"]
    read = Entry.from_row((*entry.key, json.dumps(older)))
    assert gives_back(read)
    assert read == entry
