"""What commands ask the master to do: the opcodes, their common fields, and who asked."""

from __future__ import annotations

from typing import Any

import pytest

DONE = {"status": "success", "opstatus": ["success"], "opresult": [None], "log": []}
INFO = {
    "enabled_hypervisors": ["kvm"],
    "hvparams": {"kvm": {"acpi": True, "kernel_path": "", "vnc_port": 0},
                 "fake": {"migration_mode": "live"}},
    "beparams": {"default": {"maxmem": 128, "minmem": 128, "vcpus": 1, "auto_balance": True}},
    "ndparams": {"spindle_count": 1, "ovs": False},
}


def job(name: str, **outcome: Any) -> list[Any]:
    return ["job", name, DONE | outcome]


def names(*found: str) -> list[Any]:
    return ["QueryInstances", "*", [[name] for name in found]]


def test_an_instance_is_described_by_options(run) -> None:
    ran = run(["gnt-instance", "add", "-t", "drbd", "-n", "a:b", "-o", "noop", "--disk",
               "0:size=1g,name=root", "--net", "0:ip=192.0.2.1,link=br1", "-H",
               "kvm:acpi=no,vnc_port=3", "-B", "memory=512m,vcpus=2", "--tags=x,y", "--no-start",
               "-O", "colour=red", "--no-name-check", "i1"],
              ["QueryClusterInfo", [], INFO], job("OP_INSTANCE_CREATE"))
    assert ran.status == 0
    expected = {
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "i1", "mode": "create",
        "disk_template": "drbd", "pnode": "a", "snode": "b", "os_type": "noop",
        "disks": [{"size": 1024, "name": "root"}], "nics": [{"ip": "192.0.2.1", "link": "br1"}],
        "hypervisor": "kvm", "hvparams": {"acpi": False, "vnc_port": 3},
        "beparams": {"memory": 512, "vcpus": 2}, "tags": ["x", "y"], "start": False,
        "osparams": {"colour": "red"}, "name_check": False, "ip_check": True,
    }
    assert {key: ran.opcode[key] for key in expected} == expected
    assert {"forthcoming", "commit", "iallocator", "group_name", "dry_run"}.isdisjoint(ran.opcode)


def test_common_options_go_into_every_opcode(run) -> None:
    ran = run(["gnt-debug", "delay", "--dry-run", "--priority=high", "-d", "-d",
               "--reason=a test", "-n", "n1", "-n", "n2", "--no-master", "0.5"],
              job("OP_TEST_DELAY"))
    assert ran.opcode.items() >= {
        "dry_run": True, "priority": -10, "debug_level": 2, "duration": 0.5, "on_master": False,
    }.items()
    assert ran.opcode["on_nodes"] == ["n1", "n2"]
    user, client = ran.opcode["reason"]
    assert user[:2] == ["gnt:user", "a test"]
    assert client[:2] == ["gnt:client:gnt-debug", "delay"]
    assert client[2] > 10**18


@pytest.mark.parametrize(("option", "what", "condition", "row"), [
    ("--primary", "node", ["=", "name", "x"], [["i1", "i2"]]),
    ("--secondary", "node", ["=", "name", "x"], [["i2", "i1"]]),
    ("--node", "node", ["=", "name", "x"], [["i2"], ["i1"]]),
    ("--pri-node-tags", "node", ["=[]", "tags", "x"], [["i1", "i2"]]),
    ("--tags", "instance", ["=[]", "tags", "x"], None),
])
def test_instances_are_selected_by_node_or_tag(run, option, what, condition, row) -> None:
    data = [[[0, "i1"]], [[0, "i2"]]] if row is None else [[[0, value] for value in row]]
    ran = run(["gnt-instance", "shutdown", option, "--force-multiple", "--timeout=5", "x"],
              ["Query", [what, "*", ["|", condition]], {"fields": [], "data": data}],
              job("OP_INSTANCE_SHUTDOWN"), job("OP_INSTANCE_SHUTDOWN"))
    assert (ran.status, ran.err) == (0, "")
    assert [op["instance_name"] for (op,) in ran.submitted] == ["i1", "i2"]
    assert ran.submitted[0][0]["timeout"] == 5


def test_several_instances_are_not_touched_without_a_question(run) -> None:
    ran = run(["gnt-instance", "shutdown", "i1", "i2"], names("i1", "i2"))
    assert (ran.status, ran.submitted) == (1, [])
    assert "  i1\n  i2\n" in ran.out
    assert "--force-multiple" in ran.err


def test_modify_sends_only_what_changes(run) -> None:
    ran = run(["gnt-instance", "modify", "--net", "-1:remove", "--disk", "add:size=1g",
               "--offline", "i1"], job("OP_INSTANCE_SET_PARAMS"))
    assert ran.opcode["nics"] == [["remove", -1, {}]]
    assert ran.opcode["disks"] == [["add", -1, {"size": 1024}]]
    assert ran.opcode["offline"] is True
    assert {"beparams", "hvparams", "hotplug", "pnode", "os_name"}.isdisjoint(ran.opcode)


def test_non_live_is_a_migration_mode(run) -> None:
    ran = run(["gnt-instance", "migrate", "-f", "--non-live", "-n", "n2", "i1"],
              job("OP_INSTANCE_MIGRATE"))
    assert (ran.opcode["mode"], ran.opcode["target_node"]) == ("non-live", "n2")
    refused = run(["gnt-instance", "migrate", "-f", "--non-live", "--migration-mode=live", "i1"])
    assert refused.status == 1
    assert "Only one of the --non-live and --migration-mode" in refused.err


def test_node_parameters_are_typed_by_the_cluster(run) -> None:
    ran = run(["gnt-node", "modify", "--node-parameters=spindle_count=3,ovs=yes", "-D", "no",
               "n1"], ["QueryClusterInfo", [], INFO],
              job("OP_NODE_SET_PARAMS", opresult=[[["drained", "False"]]]))
    assert ran.opcode["ndparams"] == {"spindle_count": 3, "ovs": True}
    assert ran.opcode["drained"] is False
    assert ran.out == "Modified node n1\n - drained -> False\n"


def test_jobs_of_files_are_sent_as_they_are_with_what_options_say(run, tmp_path) -> None:
    first = tmp_path / "ops.json"
    first.write_text('[{"OP_ID": "OP_TEST_DELAY", "duration": 0}]')
    ran = run(["gnt-debug", "submit-job", "--op-repeat=2", "--job-repeat=2", str(first)],
              job("OP_TEST_DELAY", id=1), job("OP_TEST_DELAY", id=2))
    assert [len(ops) for ops in ran.submitted] == [2, 2]
    assert ran.out.startswith("Submitted jobs 1, 2\nWaiting for job 1 for ")
    ran = run(["gnt-debug", "submit-job", "--dry-run", "--priority=high", str(first)],
              job("OP_TEST_DELAY"))
    assert ran.opcode["dry_run"] is True
    assert ran.opcode["priority"] == -10
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert "must hold a list of opcodes" in run(["gnt-debug", "submit-job", str(wrong)]).err


def test_evacuation_names_the_instances_it_would_move(run) -> None:
    data = {"fields": [], "data": [[[0, ["i1"]], [0, ["i2"]]]]}
    ran = run(["gnt-node", "evacuate", "-p", "n1"], ["Query", "*", data])
    assert (ran.status, ran.submitted) == (13, [])
    assert "Relocate instance(s) i1 from node n1?" in ran.err


def test_devices_of_a_node_that_is_not_there_are_refused_by_name(run) -> None:
    ran = run(["gnt-node", "list-drbd", "nosuch"],
              ["QueryNodes", [["nosuch"], ["name"], False], []])
    assert (ran.status, ran.submitted) == (1, [])
    assert "error type: unknown_entity, error details:\nNode 'nosuch' not known" in ran.err


@pytest.mark.parametrize("words", [
    ["gnt-cluster", "modify", "--data-collector-interval=diskstats=inf"],
    ["gnt-cluster", "modify", "--ipolicy-vcpu-ratio=nan"], ["gnt-cluster", "top", "--interval=inf"],
    ["gnt-node", "power", "--power-delay=nan", "status", "n1"], ["gnt-debug", "delay", "nan"]])
def test_numbers_are_finite(run, words) -> None:
    ran = run(words)
    assert ran.status in (1, 2)
    assert any(said in ran.err for said in ("finite", "is not a number", "is no number"))
    assert ran.submitted == []


CLUSTER = INFO | {"nicparams": {"default": {"link": "br0"}}, "diskparams": {"drbd": {"port": 1}}}


def test_cluster_settings_are_typed_and_only_those_given_are_sent(run) -> None:
    ran = run(["gnt-cluster", "modify", "-B", "maxmem=1g", "-H", "kvm:acpi=no", "-N", "link=br1",
               "-D", "drbd:port=7", "--enabled-hypervisors=kvm,fake", "--reserved-lvs=",
               "--add-uids=5,10-20", "--ipolicy-bounds-specs",
               "min:memory-size=1g,cpu-count=1/max:memory-size=2g,cpu-count=4",
               "--data-collector-interval=diskstats=2.5"],
              ["QueryClusterInfo", [], CLUSTER], job("OP_CLUSTER_SET_PARAMS"))
    assert (ran.status, ran.err) == (0, "")
    sent = {key: value for key, value in ran.opcode.items()
            if key not in ("OP_ID", "reason", "debug_level", "force")}
    assert sent == {
        "beparams": {"maxmem": 1024}, "hvparams": {"kvm": {"acpi": False}},
        "nicparams": {"default": {"link": "br1"}}, "diskparams": {"drbd": {"port": 7}},
        "enabled_hypervisors": ["kvm", "fake"], "reserved_lvs": [],
        "add_uids": [[5, 5], [10, 20]], "data_collector_interval": {"diskstats": 2500000},
        "ipolicy": {"minmax": [{"min": {"memory-size": 1024, "cpu-count": 1},
                                "max": {"memory-size": 2048, "cpu-count": 4}}]},
    }


def test_tags_come_from_arguments_and_from_a_file(run, tmp_path) -> None:
    source = tmp_path / "tags"
    source.write_text("b\n\n c \n")
    ran = run(["gnt-instance", "add-tags", "--from", str(source), "i1", "a"], job("OP_TAGS_SET"))
    assert ran.opcode["tags"] == ["a", "b", "c"]
    assert (ran.opcode["kind"], ran.opcode["name"]) == ("instance", "i1")
    assert "Cannot read tags" in run(["gnt-cluster", "add-tags", "--from", "/nonexistent"]).err


@pytest.mark.parametrize(("options", "mode"), [
    (["-a"], "replace_auto"), (["-p"], "replace_on_primary"), (["-s"], "replace_on_secondary"),
    (["-n", "n3"], "replace_new_secondary"), (["-I", "hail"], "replace_new_secondary")])
def test_which_disks_are_replaced(run, options, mode) -> None:
    ran = run(["gnt-instance", "replace-disks", *options, "--disks=0,2", "i1"],
              job("OP_INSTANCE_REPLACE_DISKS"))
    assert (ran.opcode["mode"], ran.opcode["disks"]) == (mode, [0, 2])


def test_disks_are_recreated_with_or_without_new_settings(run) -> None:
    plain = run(["gnt-instance", "recreate-disks", "--disk", "1", "i1"],
                job("OP_INSTANCE_RECREATE_DISKS"))
    assert plain.opcode["disks"] == [1]
    changed = run(["gnt-instance", "recreate-disks", "--disk", "1:size=1g", "--disk", "0", "i1"],
                  job("OP_INSTANCE_RECREATE_DISKS"))
    assert changed.opcode["disks"] == [[1, {"size": 1024}], [0, {}]]


def test_disks_that_are_only_down_are_activated(run) -> None:
    ran = run(["gnt-cluster", "verify-disks"],
              job("OP_CLUSTER_VERIFY_DISKS", opresult=[{"jobs": [[True, 8]]}]),
              ["wait", 8, DONE | {"opresult": [[{"n2": "no answer"}, ["i1"],
                                               {"i2": [["n1", "xenvg/disk0"]]}]]}],
              job("OP_INSTANCE_ACTIVATE_DISKS", id=9))
    assert ran.status == 1
    assert ran.out.splitlines()[2:] == [
        "Error gathering data on node n2: no answer", "Activating disks for instance 'i1'",
        "Submitted jobs 9", "Waiting for job 9 for i1 ...",
        "Instance i2 has missing disks: n1 xenvg/disk0"]


@pytest.mark.parametrize(("value", "active"), [
    ("off", False), ("no", False), ("False", False), ("on", True), ("yes", True), ("TRUE", True)])
def test_a_data_collector_is_switched_by_the_usual_words(run, value: str, active: bool) -> None:
    ran = run(["gnt-cluster", "modify", f"--enabled-data-collectors=diskstats={value}"],
              ["QueryClusterInfo", [], CLUSTER], job("OP_CLUSTER_SET_PARAMS"))
    assert ran.opcode["enabled_data_collectors"] == {"diskstats": active}


def test_a_data_collector_is_switched_by_no_other_word(run) -> None:
    ran = run(["gnt-cluster", "modify", "--enabled-data-collectors=diskstats=of"],
              ["QueryClusterInfo", [], CLUSTER])
    assert ran.status != 0
    assert "diskstats cannot be 'of'" in ran.err
