"""Where AppArmor would not let containers start, `gnt-cluster verify` says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_plugins.hv_lxc.apparmor import PROFILE, problem


@pytest.mark.parametrize(("enabled", "profiles", "message"), [
    (None, None, ""),
    ("N", None, ""),
    ("Y", None, "/sys/kernel/security is not mounted"),
    ("Y", "", f"LXC's profile {PROFILE} is not loaded"),
    ("Y", f"{PROFILE}-with-nesting (enforce)\n", "is not loaded"),
    ("Y", f"lsb_release (enforce)\n{PROFILE} (enforce)\n", ""),
], ids=["not in the kernel", "off", "no securityfs", "nothing", "another profile", "there"])
def test_what_lxc_needs_of_apparmor_is_named(
    tmp_path: Path, enabled: str | None, profiles: str | None, message: str
) -> None:
    for name, text in (("module/apparmor/parameters/enabled", enabled),
                       ("kernel/security/apparmor/profiles", profiles)):
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
    found = problem(tmp_path)
    assert message in found
    assert bool(found) == bool(message)
