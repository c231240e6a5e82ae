"""The confd on a host of its own: not as root, it reads the key and the node's copy."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confd_cluster import CONFIG, KEY
from own_host import OwnHost, assert_without_rights, needs_namespaces
from virtual_cluster import wait_until

from ganeti_core.daemons.confd import NAME, USER

pytestmark = needs_namespaces
ADDRESS = "127.77.18.14"
UID, DAEMONS, OWN = 7724, 7725, 7726
SERVE = ("--bind", ADDRESS, "--port", "814")
FURNISH = """
import os, sys
from pathlib import Path
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity
os.umask(0o077)
paths = Paths(Path("/"))
paths.make_directories()
NodeIdentity("uuid-1", "node1", sys.argv[1], 1811).save(paths)
(paths.ssconf / "ssconf_master_candidates_ips").write_text(f"{sys.argv[1]}\\n")
"""
MAKE = """
import json, sys
from pathlib import Path
from ganeti_core.config.codec import encode_object
from ganeti_core.config.database import Write, apply_writes, open_database, prepare_schema
from ganeti_core.config.ganeti_format import read_config
from ganeti_core.model import KINDS
kinds = {cls: kind for kind, cls in KINDS.items()}
objects = read_config(json.loads(Path(sys.argv[1]).read_text()))
db = open_database(Path("/var/lib/ganeti/cluster.db"))
prepare_schema(db)
serial = int(dict(db.execute("SELECT key, value FROM meta")).get("config_serial", 0))
def commit(name):
    global serial
    serial += 1
    writes = [Write("meta", ("config_serial",), str(serial)), Write("meta", ("epoch",), "1")]
    for one in objects:
        if kinds[type(one)] == "cluster":
            one = type(one)(**{**vars(one), "name": name})
        writes.append(Write("object", (kinds[type(one)], one.uuid), encode_object(one)))
    apply_writes(db, writes)
for name in sys.stdin:
    commit(name.strip())
    print(name.strip(), flush=True)
if "close" in sys.argv:
    db.close()
else:
    import os
    os._exit(0)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    with OwnHost.made(tmp_path_factory.mktemp("host"), {USER: (UID, (USER, "gnt-daemons"))},
                      {"gnt-daemons": DAEMONS, USER: OWN}) as made:
        made.python(FURNISH, ADDRESS)
        # As a version left them that ran everything as root.
        key = made.paths.data / "hmac.key"
        key.write_bytes(KEY)
        key.chmod(0o600)
        yield made


def commit(host: OwnHost, *names: str, end: str = "killed") -> None:
    """Let a writer call the cluster by these names, one after the other."""
    ran = host.run(sys.executable, "-c", MAKE, str(CONFIG), end, stdin="\n".join(names) + "\n")
    assert ran.stdout.split() == list(names), ran.stderr


def said(host: OwnHost) -> str:
    return host.program("gnt-confd", "config", "/cluster/cluster_name", "--server", ADDRESS,
                        "--port", "814").strip()


def state(file: Path) -> tuple[int, int]:
    return file.stat().st_gid, file.stat().st_mode & 0o777


def test_it_takes_over_what_was_roots_and_follows_every_change(host: OwnHost) -> None:
    commit(host, "first.example.com")
    for name in ("cluster.db", "cluster.db-wal", "cluster.db-shm"):
        file = host.paths.data / name
        os.chown(file, 0, 0)
        file.chmod(0o600)
    started = host.start(NAME, *SERVE)
    assert started.returncode == 0, started.stderr
    pid = host.pid_of(NAME)
    assert pid is not None
    assert_without_rights(pid, UID, {DAEMONS, OWN})
    for name in ("cluster.db", "cluster.db-wal", "cluster.db-shm", "hmac.key"):
        assert state(host.paths.data / name) == (OWN, 0o640), name
    assert said(host) == "first.example.com"
    commit(host, "second.example.com", "third.example.com")
    wait_until(lambda: said(host) == "third.example.com", "what was committed is answered")


def test_it_reads_a_copy_that_nobody_has_open(host: OwnHost) -> None:
    """Its log was tidied up, and who may not write cannot make another index."""
    commit(host, "closed.example.com", end="close")
    assert not (host.paths.data / "cluster.db-wal").exists()
    wait_until(lambda: said(host) == "closed.example.com", "the copy is read")
    host.stop(NAME)
    assert host.start(NAME, *SERVE).returncode == 0
    assert said(host) == "closed.example.com"
    assert not (host.paths.data / "cluster.db-shm").exists()
    commit(host, "opened.example.com")
    wait_until(lambda: said(host) == "opened.example.com", "a new log is read")
    assert state(host.paths.data / "cluster.db-shm") == (OWN, 0o640)


def test_it_reads_a_copy_that_came_whole(host: OwnHost) -> None:
    """A node that missed something gets a new file, and one that was no candidate its first."""
    host.python("from pathlib import Path; from ganeti_core.config.replica import Replica, pieces\n"
                "file = Path('/var/lib/ganeti/cluster.db'); whole = pieces(file)\n"
                "copy = Replica(file); copy.forget()\n"
                "[copy.receive(at, piece, last=at == whole[-1][0]) for at, piece in whole]")
    assert state(host.paths.data / "cluster.db") == (OWN, 0o640)
    commit(host, "whole.example.com")
    wait_until(lambda: said(host) == "whole.example.com", "the new copy is read")


def test_a_key_that_was_renewed_is_its_readers(host: OwnHost) -> None:
    host.python("from pathlib import Path; from ganeti_core.rpc.atomic import write_private\n"
                "write_private(Path('/var/lib/ganeti/hmac.key'), b'another key')\n"
                "write_private(Path('/var/lib/ganeti/node.key'), b'secret')")
    assert state(host.paths.data / "hmac.key") == (OWN, 0o640)
    assert state(host.paths.data / "node.key") == (0, 0o600)
    wait_until(lambda: host.run(
        str(Path(sys.executable).parent / "gnt-confd"), "ping", "--server", ADDRESS,
        "--port", "814", "--timeout", "1").returncode == 0,
               "the new key is used")


def test_what_it_answers_with_cannot_be_changed_by_it(host: OwnHost) -> None:
    pid = host.pid_of(NAME)
    for name in ("cluster.db", "hmac.key", "node.key"):
        tried = host.run("setpriv", f"--reuid={UID}", f"--regid={OWN}", f"--groups={DAEMONS}",
                         "sh", "-c", f"echo x >> /var/lib/ganeti/{name}")
        assert "Permission denied" in tried.stderr
    assert host.pid_of(NAME) == pid
    assert json.loads(host.program("gnt-confd", "config", "/cluster/cluster_name", "--json",
                                   "--server", ADDRESS, "--port", "814")) == "whole.example.com"
