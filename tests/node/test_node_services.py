"""The services of a node that are no hooks."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from one_node import UUID, eventually

from ganeti_core.errors import ConfigurationError, OpExecError, OpPrereqError, StaleEpoch
from ganeti_core.node.services import SERVICE_FUNCTIONS
from ganeti_core.node.services.crypto import SHARED_FILES, complete_install
from ganeti_core.plugin_api.data import HostFacts
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc import certs, wire
from ganeti_core.rpc.calls import SERVICES, service_call
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of

SSCONF = json.loads((Path(__file__).parents[1] / "data/node/ssconf.json").read_text())


def ask(node, service, **args):
    return node.call(service_call(service, args))


def test_every_service_of_the_table_is_served():
    assert SERVICE_FUNCTIONS.keys() == SERVICES.keys()


def test_ping_tells_who_answers(node):
    answer = ask(node, "node.ping")

    assert (answer["uuid"], answer["name"]) == (UUID, "node1.example.com")
    assert abs(answer["time"] - time.time()) < 60


def test_facts_tell_plugins_and_node(node):
    facts = ask(node, "node.facts")

    assert facts["kinds"]["hypervisors"]["moody"] == {
        "api": 0, "capabilities": ["x-moods"], "state_version": 1, "title": "Moody"}
    assert facts["plugins"][0]["name"] == "moody"
    assert facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts["uptime"] > 0
    assert facts["fingerprint"] == fingerprint_of(node.paths.node_certificate)


def test_survey_asks_many_hooks_and_keeps_each_failure_apart(node):
    def hook(name, **more):
        return {"kind": "hypervisors", "driver": "moody", "hook": name, **more}

    answers = ask(node, "node.survey", hooks=[
        hook("host_facts"), hook("verify"),
        hook("info", arguments={"instance": {"uuid": "u", "name": "raise", "hypervisor": "moody"}}),
        hook("reboot"), {"kind": "disk_templates", "driver": "zfs", "hook": "space"}, {}])

    assert answers[0]["ok"]["memory_total"] == 1024
    assert answers[1] == {"ok": ["it is moody"]}
    assert [wire.is_failure(answer) for answer in answers] == [False, False, True, True, True, True]
    assert "reading is hard" in answers[2]["error"][1][0]
    assert "changes the node" in answers[3]["error"][1][0]


def test_survey_uses_the_settings_given_for_all(node):
    hooks = [{"kind": "hypervisors", "driver": "moody", "hook": "running"}]

    answers = ask(node, "node.survey", hooks=hooks, settings={"address": "192.0.2.9"})

    assert answers[0]["ok"][0]["uuid"] == "192.0.2.9"


@pytest.mark.parametrize(("service", "args"), [
    ("node.survey", {}), ("node.survey", {"hooks": "all"}), ("node.delay", {"duration": "long"}),
    ("node.scripts", {"name": "x", "phase": "mid"}), ("call.outcome", {}),
    ("node.ssconf", {"values": {"a": 1}}),
])
def test_arguments_of_a_wrong_form_are_a_typed_error(node, service, args):
    with pytest.raises(OpPrereqError):
        ask(node, service, **args)


def test_files_of_an_older_configuration_that_come_late_are_passed_over(node):
    def send(serial, name):
        ask(node, "node.ssconf", values={"cluster_name": name}, serial=serial, epoch=1)
        return (node.paths.data / "ssconf_cluster_name").read_text().strip()

    assert send(7, "seven") == "seven"
    assert send(5, "five") == "seven"
    assert send(7, "seven again") == "seven again"
    assert send(8, "eight") == "eight"


def test_ssconf_files_are_those_of_the_peer(node):
    ask(node, "node.ssconf", values={
        name.removeprefix("ssconf_"): text for name, text in SSCONF.items()})

    found = {file.name: file for file in node.paths.data.glob("ssconf_*")}
    assert {name: file.read_text() for name, file in found.items()} == SSCONF
    assert {stat.S_IMODE(file.stat().st_mode) for file in found.values()} == {0o444}


def test_ssconf_replaces_what_changed_and_only_that(node):
    ask(node, "node.ssconf", values={"master_node": "node1\n", "cluster_name": "c\n"})
    before = {file.name: file.stat().st_ino for file in node.paths.data.glob("ssconf_*")}

    ask(node, "node.ssconf", values={"master_node": "node2\n", "cluster_name": "c\n"})

    after = {file.name: file.stat().st_ino for file in node.paths.data.glob("ssconf_*")}
    assert after["ssconf_cluster_name"] == before["ssconf_cluster_name"]
    assert (node.paths.data / "ssconf_master_node").read_text() == "node2\n"


@pytest.mark.parametrize("name", ["../epoch", "a/b", "", "A", "x" * 200, "ssconf_"])
def test_ssconf_writes_nowhere_else(node, name):
    with pytest.raises(OpPrereqError, match="cannot be the name"):
        ask(node, "node.ssconf", values={"good": "x", name: "evil"})

    written = [file for file in node.root.rglob("*") if file.is_file()
               and file.read_bytes() in (b"evil\n", b"x\n")]
    assert not written


def test_ssconf_remembers_the_epoch(node):
    ask(node, "node.ssconf", epoch=5)

    with pytest.raises(StaleEpoch):
        ask(node, "node.ssconf")


def test_delay_delays(node):
    began = time.monotonic()

    ask(node, "node.delay", duration=0.2)

    assert time.monotonic() - began >= 0.2


def test_delay_ends_with_the_daemon(node):
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, node, "node.delay", duration=60.0)
        assert eventually(lambda: node.noded.server.served())
        node.noded.state.leave.set()
        with pytest.raises(OpExecError, match="ending"):
            waiting.result(60)


def test_verify_tells_files_folders_and_versions(node):
    (node.root / "etc/conf").write_text("content")
    (node.root / "srv").mkdir(exist_ok=True)

    answer = ask(node, "node.verify", files=["/etc/conf", "/etc/missing"],
                 storage_paths=["/srv", "/nowhere"])

    assert answer["files"] == {
        "/etc/conf": hashlib.sha256(b"content").hexdigest(), "/etc/missing": None}
    assert answer["storage_paths"]["/srv"] is None
    assert "is no folder" in answer["storage_paths"]["/nowhere"]
    assert answer["candidates"] == [fingerprint_of(node.paths.node_certificate)]
    assert answer["scripts"] == []


def test_verify_names_scripts_that_will_not_run(node):
    folder = node.paths.scripts / "instance-add-pre.d"
    folder.mkdir()
    (folder / "notes").write_text("remember the milk")

    assert "notes is not run: it is no program" in ask(node, "node.verify")["scripts"][0]


def test_a_file_where_a_folder_of_scripts_should_be_is_told(node):
    (node.paths.scripts / "instance-stop-pre.d").write_text("")

    assert ask(node, "node.scripts", name="instance-stop", phase="pre") == []
    (problem,) = ask(node, "node.verify")["scripts"]
    assert problem.endswith("instance-stop-pre.d is no folder")


@pytest.fixture
def scripts(node):
    folder = node.paths.scripts / "instance-add-pre.d"
    folder.mkdir()

    def write(name, text, mode=0o755):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(mode)

    return write


def test_scripts_run_in_order_with_their_environment_alone(node, scripts):
    scripts("20-second", 'echo "second in $PWD"; env')
    scripts("10-first", 'echo "first $GANETI_OP_CODE $PATH"')

    answers = ask(node, "node.scripts", name="instance-add", phase="pre",
                  environment={"GANETI_OP_CODE": "OP_INSTANCE_CREATE"})

    assert [answer["script"] for answer in answers] == [
        "instance-add-pre.d/10-first", "instance-add-pre.d/20-second"]
    assert answers[0] == {
        "script": "instance-add-pre.d/10-first", "status": "success",
        "output": "first OP_INSTANCE_CREATE /sbin:/bin:/usr/sbin:/usr/bin"}
    assert "second in /" in answers[1]["output"]
    assert not [name for name in os.environ
                if name not in {"PATH", "PWD", "_", "SHLVL", "OLDPWD", "LC_CTYPE"}
                and f"\n{name}=" in answers[1]["output"]]


def test_script_that_fails_does_not_stop_the_next(node, scripts):
    scripts("a-fails", "echo no room >&2; exit 3")
    scripts("b-works", "true")
    scripts("c.disabled", "true")
    scripts("d-no-program", "true", mode=0o644)

    answers = ask(node, "node.scripts", name="instance-add", phase="pre")

    assert [answer["status"] for answer in answers] == ["error", "success", "skip", "skip"]
    assert "exited with status 3" in answers[0]["output"]
    assert "no room" in answers[0]["output"]


def test_script_is_ended_at_the_deadline(node, scripts):
    scripts("sleeps", "sleep 600")
    call = service_call("node.scripts", {"name": "instance-add", "phase": "pre"}, timeout=0.5)

    answers = node.call(call)

    assert answers[0]["status"] == "error"
    assert "was killed" in answers[0]["output"]


def test_no_scripts_is_no_error(node):
    assert ask(node, "node.scripts", name="node-add", phase="post") == []


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "A"])
def test_scripts_are_taken_from_their_folder_only(node, name):
    with pytest.raises(OpPrereqError, match="cannot name a scripts folder"):
        ask(node, "node.scripts", name=name, phase="pre")


def test_hypervisors_recover_when_the_daemon_starts_and_when_asked(node):
    assert eventually((node.root / "recovered").exists)

    assert ask(node, "node.recover") == {
        name: {"ok": ["found nothing"]} for name in ("moody", "placid")}


def test_node_that_leaves_keeps_no_key_and_ends(node):
    disks = node.root / "srv"
    disks.mkdir(exist_ok=True)
    paths = node.paths
    ask(node, "replica.mark", epoch=1, number=3, stale=["gone"])
    ask(node, "node.crypto", step="request")
    for name in SHARED_FILES:
        ask(node, "node.crypto", step="file", name=name, content="c2VjcmV0")

    ask(node, "node.leave")

    assert node.noded.state.leave.is_set()
    assert not [file.name for file in paths.data.iterdir() if file.is_file()]
    assert disks.exists()


def test_a_new_certificate_that_came_without_its_key_is_completed_at_the_next_start(node):
    """The daemon died between the two; they are two files."""
    paths = node.paths
    before = paths.node_key.read_bytes()
    request = ask(node, "node.crypto", step="request")
    authority = certs.Authority.load(paths)
    certificate = certs.sign(authority, request, UUID, "node1.example.com")

    complete_install(paths)
    assert paths.node_key.read_bytes() == before, "its certificate is not there yet"
    paths.node_certificate.write_text(certificate)
    with pytest.raises(ConfigurationError):
        TlsIdentity.of(paths).server_context()
    complete_install(paths)

    TlsIdentity.of(paths).server_context()
    assert paths.node_key.read_bytes() != before


def test_hook_results_are_typed(node):
    assert isinstance(
        node.clients.hook(node.peer, HYPERVISORS, "moody", "host_facts"), HostFacts)


@pytest.mark.parametrize("what", ["script", "folder"])
def test_scripts_that_others_can_change_are_not_run(node, what):
    folder = node.paths.scripts / "instance-add-pre.d"
    folder.mkdir()
    script = folder / "mine"
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o755)
    assert ask(node, "node.scripts", name="instance-add", phase="pre")[0]["output"] == "ran"
    (script if what == "script" else folder).chmod(0o777)

    (found,) = ask(node, "node.scripts", name="instance-add", phase="pre")

    assert found["status"] == "skip"
    assert "can be written by others (mode 777)" in ask(node, "node.verify")["scripts"][0]


def test_a_script_is_heard_on_both_its_streams_and_within_limits(node):
    folder = node.paths.scripts / "instance-stop-pre.d"
    folder.mkdir()
    for name, end in (("a-refuses", "exit 7"), ("b-agrees", "head -c 3000000 /dev/zero")):
        script = folder / name
        script.write_text(f"#!/bin/sh\nprintf '\\033[2Jpolicy says no\\n'\necho debug >&2\n{end}\n")
        script.chmod(0o755)

    refuses, agrees = ask(node, "node.scripts", name="instance-stop", phase="pre")

    assert refuses["output"].endswith("exited with status 7: debug\npolicy says no")
    assert agrees["output"].startswith("policy says no\n [... 29")
    assert agrees["output"].endswith("characters left out ...] debug")
