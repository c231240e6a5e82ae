"""Whether KVM works is found out by booting, within a time, once per boot of the node."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import ganeti_plugins.hv_kvm
from ganeti_core.plugin_api import HookContext
from ganeti_plugins.hv_kvm import accelerator

SOURCE = Path(ganeti_plugins.hv_kvm.__file__).with_name("probe.S")
KVM_IS_THERE = os.access("/dev/kvm", os.R_OK | os.W_OK)


def fake_qemu(folder: Path, body: str) -> Path:
    """A program in QEMU's place."""
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.needs_qemu
def test_the_probe_sees_a_guest_run() -> None:
    binary = Path(shutil.which("qemu-system-x86_64") or "")
    assert accelerator.probe(binary, "tcg", 30.0) == (True, "a guest ran")


def test_the_probe_does_not_wait_for_a_guest_that_hangs(tmp_path: Path) -> None:
    before = time.monotonic()
    works, why = accelerator.probe(fake_qemu(tmp_path, "exec sleep 600"), "kvm", 0.3)
    assert not works
    assert "hangs" in why
    assert time.monotonic() - before < 60


def test_the_probe_tells_what_qemu_says(tmp_path: Path) -> None:
    qemu = fake_qemu(tmp_path, "echo no KVM today >&2; exit 1")
    assert accelerator.probe(qemu, "kvm", 10.0) == (False, "QEMU ended: no KVM today")


@pytest.mark.skipif(not KVM_IS_THERE, reason="no access to /dev/kvm, so nothing is tried")
@pytest.mark.parametrize(("says", "expected"), [("GUEST RUNS", "kvm"), ("nothing", "tcg")])
def test_the_answer_is_kept_for_the_boot_and_the_version(
    ctx: HookContext, tmp_path: Path, says: str, expected: str
) -> None:
    log = tmp_path / "calls"
    qemu = fake_qemu(tmp_path, f"echo called >> {log}; echo {says}")
    for _ in range(2):
        assert accelerator.choose(ctx, qemu, "7.2", "") == expected
    assert log.read_text() == "called\n"
    accelerator.choose(ctx, qemu, "8.0", "")
    assert log.read_text() == "called\ncalled\n"


@pytest.mark.skipif(not KVM_IS_THERE, reason="no access to /dev/kvm, so nothing is tried")
def test_a_refusal_is_questioned_after_a_while(ctx: HookContext, tmp_path: Path) -> None:
    assert accelerator.choose(ctx, fake_qemu(tmp_path, "exit 1"), "7.2", "") == "tcg"
    kept = ctx.keep / "accelerator.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"time": time.time() - 7200}))
    assert accelerator.choose(ctx, fake_qemu(tmp_path, "echo GUEST RUNS"), "7.2", "") == "kvm"


@pytest.mark.parametrize(("flag", "expected"), [("enabled", "kvm"), ("disabled", "tcg")])
def test_the_administrator_may_decide(ctx: HookContext, flag: str, expected: str) -> None:
    assert accelerator.choose(ctx, Path("/no/such/qemu"), "7.2", flag) == expected


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="needs binutils")
def test_the_boot_sector_is_its_source_assembled(tmp_path: Path) -> None:
    thing, binary = tmp_path / "o", tmp_path / "bin"
    subprocess.run(["as", "--64", "-o", thing, SOURCE], check=True)
    subprocess.run(["ld", "-Ttext", "0x7c00", "--oformat", "binary", "-o", binary, thing],
                   check=True)
    assert binary.read_bytes() == accelerator.BOOT_SECTOR
