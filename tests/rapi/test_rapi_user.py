"""The remote API on a host of its own: it reads certificate, users and tokens, and not as root."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_host import OwnHost, assert_without_rights, needs_namespaces, rights
from virtual_cluster import wait_until

from ganeti_core.daemons.rapi import NAME, USER

pytestmark = needs_namespaces
ADDRESS = "127.77.50.80"
PORT = 580
"""One that only root can open."""
UID, DAEMONS, OWN = 7734, 7735, 7736
FURNISH = """
import os, sys
from pathlib import Path
from ganeti_core.bootstrap.renew import self_signed
from ganeti_core.config.database import open_database
from ganeti_core.paths import Paths
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.identity import NodeIdentity
os.umask(0o077)
paths = Paths(Path("/"))
paths.make_directories()
NodeIdentity("uuid-1", "node1", sys.argv[1], 1811).save(paths)
(paths.ssconf / "ssconf_master_node").write_text("node1\\n")
(paths.ssconf / "ssconf_master_node").chmod(0o444)
open_database(paths.database).close()
write_private(paths.rapi_certificate, self_signed("cluster.example.com"))
"""
RENEW = """
from pathlib import Path
from ganeti_core.bootstrap.renew import self_signed
from ganeti_core.rpc.atomic import write_private
write_private(Path("/var/lib/ganeti/rapi.pem"), self_signed("other.example.com"))
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    with OwnHost.made(tmp_path_factory.mktemp("host"), {USER: (UID, (USER, "gnt-daemons"))},
                      {"gnt-daemons": DAEMONS, USER: OWN}) as made:
        made.python(FURNISH, ADDRESS)
        made.program("gnt-rapi-user", "set", "first", "write", stdin="secret\n")
        # As a version left them that ran everything as root.
        for name, mode in (("rapi.pem", 0o600), ("rapi", 0o750), ("rapi/users", 0o600)):
            os.chown(made.paths.data / name, 0, 0)
            (made.paths.data / name).chmod(mode)
        started = made.start(NAME, "--bind", ADDRESS, "--port", str(PORT),
                             "--require-authentication")
        assert started.returncode == 0, started.stderr
        yield made


def status(user: str, password: str = "secret") -> int:  # noqa: S107  # a test's own
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    asked = urllib.request.Request(f"https://{ADDRESS}:{PORT}/2/features",
                                   headers={"Authorization": f"Basic {pair}"})
    try:
        with urllib.request.urlopen(  # noqa: S310  # ours
                asked, timeout=60, context=context) as found:
            return int(found.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def state(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_uid, found.st_gid, found.st_mode & 0o777


def test_it_takes_over_what_was_roots_and_has_no_right_of_root(host: OwnHost) -> None:
    pid = host.pid_of(NAME)
    assert pid is not None
    assert_without_rights(pid, UID, {DAEMONS, OWN})
    assert status("first") == 200
    assert status("first", "wrong") == 401
    assert state(host.paths.data / "rapi.pem") == (0, OWN, 0o640)
    assert state(host.paths.data / "rapi/users") == (0, OWN, 0o640)
    for name in ("rapi-daemon.log", "rapi-audit.log", "authenticators.log"):
        assert state(host.paths.log / name) == (UID, OWN, 0o600)
    kept = host.paths.data / "plugins/authenticators/users-file"
    assert state(kept)[:2] == (UID, OWN), "authenticators write in folders of their own"


def test_what_it_starts_has_no_right_either_but_for_who_connects_to_consoles(
    host: OwnHost,
) -> None:
    pid = host.pid_of(NAME)
    children = {int(child): Path(f"/proc/{child}/cmdline").read_text().split("\0")
                for task in Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()}
    users = {next(word for word in words if word.startswith("ganeti_core.")):
             rights(child)["Uid"].split()[0] for child, words in children.items()}
    assert users == {"ganeti_core.rapi.authenticator_process": str(UID),
                     "ganeti_core.rapi.console_dialer": "0"}


def test_users_that_are_added_later_are_known_soon(host: OwnHost) -> None:
    host.program("gnt-rapi-user", "set", "second", stdin="secret\n")
    assert state(host.paths.data / "rapi/users") == (0, OWN, 0o640)
    wait_until(lambda: status("second") == 200, "the new user is known")


def test_a_certificate_that_was_renewed_is_shown(host: OwnHost) -> None:
    before = ssl.get_server_certificate((ADDRESS, PORT), timeout=60)
    host.python(RENEW)
    assert state(host.paths.data / "rapi.pem") == (0, OWN, 0o640)
    pid = host.pid_of(NAME)
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: ssl.get_server_certificate((ADDRESS, PORT), timeout=60) != before,
               "the new certificate is shown")


def test_what_is_denied_is_in_its_audit_log(host: OwnHost) -> None:
    assert status("nosuch") == 401
    lines = (host.paths.log / "rapi-audit.log").read_text().splitlines()
    assert json.loads(lines[-1])["status"] == 401
