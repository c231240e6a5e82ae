"""PAM with real accounts: ``pam_unix`` reads accounts of the test's own, in a namespace of mounts.

Nothing of the host is changed: the namespace sees other files in the place of ``/etc/passwd``,
``/etc/shadow`` and ``/etc/pam.d``, and ends with the process that asks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SERVICE = """auth required pam_unix.so nodelay
account required pam_unix.so
account required pam_succeed_if.so quiet user != jill
"""
ASK = """
import json, sys
from pathlib import Path
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.auth_pam import PamAuthenticator
ctx, driver = make_context(Path(sys.argv[1])), PamAuthenticator()
found = {}
for name, password in json.loads(sys.argv[2]):
    identity = driver.authenticate(ctx, name, password)
    found[f"{name} {password}"] = None if identity is None else [
        identity.name, identity.options, identity.seconds]
print(json.dumps(found))
"""
ACCOUNTS = {"jack": "", "jill": "", "late": "1", "locked": ""}
"""By name: the day since 1970 on which the account ends."""
PAIRS = [("jack", "sesame"), ("jack", "wrong"), ("jill", "sesame"), ("late", "sesame"),
         ("locked", "sesame"), ("nobody-at-all", "sesame"), ("jack", " sesame"), ("jack", "")]


def lacking() -> str:
    """Why this host cannot do it; empty where it can."""
    if os.geteuid() != 0:
        return "other accounts are mounted by root"
    if not any(Path("/lib").glob("*/security/pam_unix.so")):
        return "needs PAM (apt-get install libpam-modules)"
    for program in ("unshare", "openssl"):
        if shutil.which(program) is None:
            return f"needs {program}"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return "no namespace of mounts can be made here" if tried.returncode else ""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the authenticator returns for each pair."""
    pytest.importorskip("pam", reason="needs python-pam (pip install 'ganeti-core[pam]')")
    if why := lacking():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("accounts")
    secret = subprocess.run(["openssl", "passwd", "-6", "-salt", "salt", "sesame"],
                            capture_output=True, text=True, check=True).stdout.strip()
    passwd, shadow = ["root:x:0:0::/root:/bin/sh"], ["root:*:19000:0:99999:7:::"]
    for number, (name, end) in enumerate(ACCOUNTS.items(), 30001):
        passwd.append(f"{name}:x:{number}:{number}::/:/bin/sh")
        shown = f"!{secret}" if name == "locked" else secret
        shadow.append(f"{name}:{shown}:19000:0:99999:7::{end}:")
    (folder / "passwd").write_text("\n".join(passwd) + "\n")
    (folder / "shadow").write_text("\n".join(shadow) + "\n")
    (folder / "shadow").chmod(0o600)
    (folder / "pam.d").mkdir()
    (folder / "pam.d/ganeti-rapi").write_text(SERVICE)
    (folder / "pam.d/other").write_text(
        "auth required pam_deny.so\naccount required pam_deny.so\n")
    mounts = "".join(f"mount --bind {folder}/{name} /etc/{name} && "
                     for name in ("passwd", "shadow", "pam.d"))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mounts}exec "$@"', "sh", sys.executable, "-c", ASK,
         str(folder / "root"), json.dumps(PAIRS)],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.needs_root
@pytest.mark.parametrize(("pair", "fits"), [
    (f"{name} {password}", (name, password) == ("jack", "sesame")) for name, password in PAIRS])
def test_who_has_an_account_that_is_in_order(
    said: dict[str, Any], pair: str, fits: bool
) -> None:
    assert said[pair] == (["jack", None, 10.0] if fits else None)
