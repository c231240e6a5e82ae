"""What a hypervisor remembers of its guests, for drivers of any version that look at it later."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec, guest_folders
from ganeti_core.plugin_api.testing.contexts import make_context

SPEC = InstanceSpec(uuid="c0ffee00-0000-4000-8000-000000000001", name="web.example.com",
                    hypervisor="any", osparams={"password": "hidden"})


@dataclass(frozen=True)
class Memory:
    spec: InstanceSpec
    memory: int
    added_later: bool = True


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1", "node1.example.com")


@pytest.fixture
def folder(ctx: HookContext) -> Path:
    folder = guest_folders.guest_folder(ctx, SPEC.name)
    folder.mkdir(parents=True)
    return folder


def test_what_was_remembered_comes_back_without_secrets(ctx: HookContext, folder: Path) -> None:
    guest_folders.remember(folder, 3, Memory(SPEC, 64))
    assert guest_folders.recall(folder, 3, Memory) == Memory(replace(SPEC, osparams={}), 64)
    assert guest_folders.recall(folder, 4, guest_folders.Started) == guest_folders.Started(
        replace(SPEC, osparams={}))
    assert "hidden" not in (folder / "runtime.json").read_text()
    assert list(guest_folders.guest_folders(ctx)) == [folder]
    assert not guest_folders.is_unreadable(folder, 3, Memory)


def test_what_an_earlier_version_did_not_know_takes_its_default(folder: Path) -> None:
    guest_folders.remember(folder, 1, Memory(SPEC, 64, added_later=False))
    known = json.loads((folder / "runtime.json").read_text())
    del known["added_later"]
    (folder / "runtime.json").write_text(json.dumps(known))
    recalled = guest_folders.recall(folder, 1, Memory)
    assert recalled is not None
    assert recalled.added_later


@pytest.mark.parametrize("text", ['{"version": 4, "spec": {}, "memory": 1}', "{", "[]", "",
                                  '{"version": 3}', '{"version": "x"}'])
def test_what_cannot_be_read_is_seen_to_be_there(folder: Path, text: str) -> None:
    assert guest_folders.recall(folder, 3, Memory) is None
    assert not guest_folders.is_unreadable(folder, 3, Memory)
    (folder / "runtime.json").write_text(text)
    assert guest_folders.recall(folder, 3, Memory) is None
    assert guest_folders.is_unreadable(folder, 3, Memory)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\0b", "x" * 256])
def test_names_that_no_folder_can_have_are_refused(ctx: HookContext, name: str) -> None:
    with pytest.raises(HypervisorError, match="cannot be used as a file name"):
        guest_folders.guest_folder(ctx, name)


def test_logs_go_with_the_name(ctx: HookContext) -> None:
    ctx.logs.mkdir(parents=True, exist_ok=True)
    (ctx.logs / "old.log").write_text("kept")
    guest_folders.rename_logs(ctx, "old", "new", ("log", "console.log"))
    assert (ctx.logs / "new.log").read_text() == "kept"
    assert not (ctx.logs / "old.log").exists()
    (ctx.logs / "other.log").mkdir()
    with pytest.raises(HypervisorError, match=r"the log of new cannot be renamed"):
        guest_folders.rename_logs(ctx, "new", "other")
