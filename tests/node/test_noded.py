"""``ganeti-noded`` as a program: start, end, sudden death."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from member_lists import write_members
from one_node import alive, eventually, start_call

from ganeti_core.bootstrap.enrol import make_token
from ganeti_core.errors import AccessDenied, NodeUnreachable, OutcomeUnknown
from ganeti_core.node.sessions import session_members
from ganeti_core.paths import Paths
from ganeti_core.pid_file import is_held
from ganeti_core.plugin_api.data import DiskSpec
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.rpc import certs
from ganeti_core.rpc.calls import hook_call, service_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of

PING = service_call("node.ping")


@pytest.fixture
def clients(program):
    made = NodeClients(TlsIdentity.of(program.paths), lambda: 1)
    yield made
    made.close()


def begin(program):
    done = program.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


def test_command_returns_when_the_daemon_serves(program, clients):
    begin(program)

    assert clients.call(program.peer, PING)["name"] == "node1.example.com"
    assert os.getsid(program.pid) != os.getsid(0)
    assert stat.S_IMODE((program.paths.log / "node-daemon.log").stat().st_mode) == 0o600


def test_plugins_of_the_installation_are_there(program, clients):
    begin(program)

    kinds = clients.call(program.peer, service_call("node.facts"))["kinds"]
    assert {"moody", "fake"} <= kinds["hypervisors"].keys()
    assert "iallocators" not in kinds


def test_terminated_daemon_leaves_no_process_and_no_pid_file(program, clients):
    begin(program)
    clients.call(program.peer, start_call("fine.worker"))
    worker = int((program.paths.root / "mark-worker").read_text())

    program.kill(signal.SIGTERM)

    assert eventually(lambda: not alive(worker))
    assert not program.pid_file.exists()
    with pytest.raises(NodeUnreachable):
        clients.call(program.peer, PING)


def test_second_daemon_is_refused(program):
    begin(program)
    first = program.pid

    again = program.run()

    assert again.returncode == 1
    assert f"pid {first}" in again.stderr
    assert program.pid == first


def test_pid_file_of_a_dead_daemon_is_taken_over(program, clients):
    begin(program)
    dead = program.pid
    program.kill()
    assert program.pid_file.exists()

    begin(program)

    assert program.pid != dead
    assert clients.call(program.peer, PING)


def test_port_in_use_is_reported_by_the_command(program):
    with socket.create_server(("127.0.0.1", program.port)):
        done = program.run()

    assert done.returncode == 1
    assert f"port {program.port}" in done.stderr
    assert "in use" in done.stderr


def test_host_that_is_no_node_is_told_so(program):
    (program.paths.data / "node.json").unlink()

    done = program.run()

    assert done.returncode == 1
    assert "belongs to no cluster" in done.stderr


def test_damaged_certificate_is_reported_by_the_command(program):
    program.paths.node_certificate.write_text("no certificate")

    done = program.run()

    assert done.returncode == 1
    assert "node.pem" in done.stderr


def test_killed_daemon_takes_its_workers_with_it_but_no_guest(program, clients):
    begin(program)
    root = program.paths.root
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(clients.call, program.peer, start_call(mood))
                 for mood in ("hangs.program", "boots.guest")]
        for name in ("mark-program", "mark-guest"):
            assert eventually((root / name).exists)
        program.kill(signal.SIGKILL)
        for call in calls:
            with pytest.raises(OutcomeUnknown):
                call.result(60)

    guest = int((root / "mark-guest").read_text())
    try:
        assert eventually(lambda: not alive(int((root / "mark-program").read_text())))
        assert alive(guest)
    finally:
        os.kill(guest, signal.SIGKILL)


def test_outcome_of_a_finished_call_survives_a_killed_daemon(program, clients):
    begin(program)
    clients.call(program.peer, start_call("fine.a"), call_id="finished")
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(
            clients.call, program.peer, start_call("blocks.b"), call_id="interrupted")
        assert eventually((program.paths.root / "mark-b").exists)
        program.kill(signal.SIGKILL)
        with pytest.raises(OutcomeUnknown):
            lost.result(60)

    begin(program)

    assert clients.outcome(program.peer, "finished")["state"] == "done"
    assert clients.outcome(program.peer, "interrupted")["state"] == "unknown"


def test_dead_fork_server_is_replaced(program, clients):
    begin(program)
    clients.call(program.peer, start_call("fine.before"))
    worker = int((program.paths.root / "mark-before").read_text())
    server = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    assert server != program.pid

    workers = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    os.kill(server, signal.SIGKILL)
    assert eventually(lambda: not any(alive(int(pid)) for pid in workers))

    clients.call(program.peer, start_call("fine.after"))
    assert "another one is started" in program.log


def test_node_that_leaves_ends_its_daemon(program, clients):
    begin(program)
    pid, peer = program.pid, program.peer

    clients.call(peer, service_call("node.leave"))

    assert eventually(lambda: not alive(pid))
    assert session_members(pid) == []


def test_root_may_be_long(make_program, tmp_path):
    program = make_program(tmp_path / ("x" * 120) / ("y" * 80))
    begin(program)

    assert program.pid


def enrol(program, root, token, fingerprint, *words):
    environment = {**program.environment, "GANETI_ROOT": str(root)}
    program.environment = environment
    return program.run(
        "enrol", "--master", f"127.0.0.1:{program.port}", "--ca-fingerprint",
        fingerprint_of(program.paths.ca_certificate), "--master-fingerprint", fingerprint,
        "--name", "node2.example.com", "--address", "127.0.0.2", "--port", "1811", *words,
        stdin=f"{token}\n")


def test_settings_of_a_plain_node_are_ignored(program, clients, tmp_path):
    """They say which folders are searched, as root, and all hooks would wait for it."""
    begin(program)
    definition = program.paths.root / "private/secret-os"
    definition.mkdir(parents=True)
    for name in ("create", "ganeti_api_version"):
        (definition / name).write_text("20\n")
    plain = Paths(tmp_path / "plain")
    plain.make_directories()
    for name in ("ca_key", "ca_certificate"):
        getattr(plain, name).write_bytes(getattr(program.paths, name).read_bytes())
    write_members(program.paths, [fingerprint_of(program.paths.node_certificate)],
                  [certs.issue_local(plain, "plain-uuid", "plain.example.com")])
    call = service_call("node.facts", {"settings": {"os_search_path": ["/private"]}})
    node = NodeClients(TlsIdentity.of(plain), lambda: 1)

    assert "secret-os" not in str(node.call(program.peer, call))
    assert "secret-os" in str(clients.call(program.peer, call))

    node.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a MiB, for the whole tree of a node."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.needs_root
def test_a_node_whose_disk_is_full_serves_and_lets_things_be_removed(make_program, small_disk):
    program = make_program(small_disk / "node")
    storage = small_disk / "node/srv/ganeti/file-storage"
    file = storage / "instance/disk"
    disk = DiskSpec("disk-uuid", 0, "file", 1, ("loop", "/srv/ganeti/file-storage/instance/disk"))
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(10_000))
    program.paths.calls.mkdir(exist_ok=True)
    (program.paths.calls / "outcomes.jsonl").write_text(
        "".join(json.dumps([time.time(), f"call-{n}", {"ok": "x" * 100}]) + "\n"
                for n in range(100)))
    _fill(small_disk)

    begin(program)

    master = NodeClients(TlsIdentity.of(program.paths), lambda: 0)
    settings = {"file_storage_dir": "/srv/ganeti/file-storage"}
    try:
        master.call(program.peer, hook_call(DISK_TEMPLATES, "file", "remove", disk=disk,
                                            settings=settings))
        assert not file.exists()
        assert master.outcome(program.peer, "call-7")["state"] == "done"
    finally:
        # No pid could be written: who ends the daemon finds it by its lock.
        assert program.pid_file.read_text() == ""
        program.kill(signal.SIGTERM)
        master.close()
    assert not is_held(program.pid_file)


def _fill(folder: Path) -> None:
    """Use up what is left of a small file system."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(512))


def test_what_killed_writers_left_is_removed_when_the_daemon_starts(program):
    """Drafts of keys among them; those of writers that live are not touched."""
    dead, alive_ = 2 ** 22 + 1, os.getpid()
    left = [program.paths.data / name for name in (
        f".node.key.{dead}-abcd_123", ".ssconf_node_list.abcd_123", f".ca.key.{dead}-00000000")]
    kept = [program.paths.data / f".epoch.{alive_}-abcd_123", program.paths.data / ".hidden"]
    for file in (*left, *kept):
        file.write_text("secret")

    begin(program)

    assert [file.name for file in left if file.exists()] == []
    assert all(file.exists() for file in kept)


def test_host_enrols_by_its_command(program, tmp_path):
    begin(program)
    token = make_token(program.paths)
    root = tmp_path / "second"

    done = enrol(program, root, token, fingerprint_of(program.paths.node_certificate))

    assert (done.returncode, done.stderr) == (0, "")
    write_members(program.paths, [fingerprint_of(program.paths.node_certificate)],
                  [fingerprint_of(Paths(root).node_certificate)])
    second = NodeClients(TlsIdentity.of(Paths(root)), lambda: 1)
    assert second.call(program.peer, PING)["name"] == "node1.example.com"
    with pytest.raises(AccessDenied):
        second.call(program.peer, start_call("fine.x"))
    second.close()
    again = enrol(program, root, token, fingerprint_of(program.paths.node_certificate))
    assert again.returncode == 1
    assert "is a node already" in again.stderr
