"""The cluster's own address: by the administrator's program, or on a device of a real kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganeti_core.errors import OpExecError, OpPrereqError
from ganeti_core.node.services.master_ip import MasterIpArgs, change
from ganeti_core.paths import Paths

IN_NAMESPACE = """
import subprocess, sys
from pathlib import Path
from ganeti_core.errors import OpExecError
from ganeti_core.node.services.master_ip import MasterIpArgs, change
from ganeti_core.paths import Paths

def there():
    return ip in subprocess.run(["ip", "-o", "address", "show", "dev", "lo"],
                                capture_output=True, text=True).stdout

ip, netmask = sys.argv[1], int(sys.argv[2])
paths = Paths(Path("/nonexistent"))
start, stop = (MasterIpArgs(action, ip, "lo", netmask) for action in ("start", "stop"))
assert change(paths, start) and there()
assert not change(paths, start) and there()
assert change(paths, stop) and not there()
assert not change(paths, stop)
try:
    change(paths, MasterIpArgs("start", ip, "nosuchdev0", netmask))
except OpExecError as exc:
    assert "nosuchdev0" in str(exc)
else:
    raise SystemExit("no error for a device that is not there")
"""


def wanted(action: str, **changes: object) -> MasterIpArgs:
    values = {"action": action, "ip": "192.0.2.9", "netdev": "eth7", "netmask": 24,
              "external": True} | changes
    return MasterIpArgs(**values)  # type: ignore[arg-type]  # built by name


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "etc/ganeti/scripts").mkdir(parents=True)
    return Paths(tmp_path)


def write_program(paths: Paths, body: str) -> None:
    program = paths.etc / "scripts/master-ip-setup"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def test_the_administrators_program(paths: Paths) -> None:
    write_program(paths, f'echo "$1 $MASTER_IP $MASTER_NETDEV $MASTER_NETMASK '
                         f'$CLUSTER_IP_VERSION" >> {paths.root}/called')
    change(paths, wanted("start"))
    change(paths, wanted("stop"))
    change(paths, wanted("start", ip="2001:db8::9", netmask=64))
    assert (paths.root / "called").read_text().splitlines() == [
        "start 192.0.2.9 eth7 24 4", "stop 192.0.2.9 eth7 24 4", "start 2001:db8::9 eth7 64 6"]


def test_a_program_that_fails_says_why(paths: Paths) -> None:
    write_program(paths, "echo no such network >&2; exit 3")
    with pytest.raises(OpExecError, match="no such network"):
        change(paths, wanted("start"))
    (paths.etc / "scripts/master-ip-setup").unlink()
    with pytest.raises(OpExecError, match="master-ip-setup"):
        change(paths, wanted("start"))


def test_loopback_needs_nothing(paths: Paths) -> None:
    assert not change(paths, wanted("start", ip="127.4.5.6", external=False))


def test_what_is_no_address_is_refused(paths: Paths) -> None:
    with pytest.raises(OpPrereqError, match="no address"):
        change(paths, wanted("start", ip="300.1.1.1"))
    with pytest.raises(OpPrereqError, match="no address"):
        change(paths, wanted("start", netmask=33))


@pytest.mark.needs_root
@pytest.mark.parametrize(("ip", "netmask"), [("192.0.2.9", 32), ("2001:db8::9", 64)])
def test_on_a_device(ip: str, netmask: int) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("ip") is None:
        pytest.skip("needs unshare (util-linux) and ip (iproute2)")
    script = f"ip link set lo up; exec {sys.executable} - {ip} {netmask}"
    ended = subprocess.run([unshare, "--net", "sh", "-c", script], input=IN_NAMESPACE, text=True,
                           capture_output=True, timeout=30, env=os.environ)
    if "Operation not permitted" in ended.stderr and "unshare" in ended.stderr:
        pytest.skip("this machine allows no network namespaces")
    assert ended.returncode == 0, ended.stderr
