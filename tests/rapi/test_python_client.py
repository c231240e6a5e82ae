"""Our own client: Ganeti's methods, and nothing but Python."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asked import JOB, FakeMaster, application
from served import serving

from ganeti_core.bootstrap.renew import self_signed
from ganeti_core.rapi import client as grc
from ganeti_core.rapi import results
from ganeti_core.rapi.fields import FILTER, GROUP, INSTANCE, NETWORK, NODE
from ganeti_core.rapi.fields import JOB as JOB_FIELDS
from ganeti_core.rapi.listener import make_context

TOP = Path(__file__).resolve().parents[2]
METHODS = (Path(__file__).parent / "data/client_methods.json")
ARGUMENTS: dict[str, Any] = {
    "mode": "create", "disk_template": "diskless", "disks": [], "nics": [], "tags": ["a", "b"],
    "disk": 0, "amount": 5, "nodes": ["node1"], "role": "drained", "storage_type": "x",
    "output_fields": "name", "network": "198.51.100.0/24", "link": "br0", "instances": [],
    "priority": 1, "predicates": [], "action": "CONTINUE", "job_id": 1, "fields": ["status"],
    "prev_job_info": None, "prev_log_serial": None, "what": "node",
    "filter_uuid": "11111111-2222-3333-4444-555555555555",
    "uuid": "11111111-2222-3333-4444-555555555555", "destination": "node1"}
MODES = {"PrepareExport": "local", "ExportInstance": "local", "ConnectNetwork": "bridged"}
NAMES = {"network": ("GetNetwork", "ModifyNetwork", "DeleteNetwork", "RenameNetwork")}
RESULTS = {
    "QueryClusterInfo": {"name": "c", "serial_no": 1, "diskparams": {"diskless": {}},
                         "storage_types": ["x"]},
    "QueryTags": ["a"],
    "QueryRecords": [{"name": "x", "id": 1, "uuid": "u", "serial_no": 1}],
    "QueryJobs": [[1, [], "success", [], [], None, None, None, [], []]],
    "QueryNodes": [["M"]], "QueryInstances": [[{"kind": "vnc"}, True]],
    "Query": {"data": [], "fields": []}, "QueryFields": {"fields": []},
    "WaitForJobChange": [["success", [[["noop", []]]]], []], "CancelJob": [True, "done"],
    "ReplaceFilter": "u", "DeleteFilter": None}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[grc.GanetiRapiClient,
                                                                      FakeMaster, Path]]:
    """A client of a server with a fake master, and the certificate's file."""
    folder = tmp_path_factory.mktemp("client")
    pem = folder / "rapi.pem"
    pem.write_bytes(self_signed("localhost"))
    master = FakeMaster(RESULTS)
    with serving(application(folder, master, strict=True),
                 context=make_context(pem, None, None)) as server:
        yield grc.GanetiRapiClient(
            "127.0.0.1", server.port, "rw", "rwsecret", cafile=str(pem)), master, pem


def arguments(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    """Something for each parameter that has no default."""
    found = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = ARGUMENTS.get(parameter.name, "name1.example.com")
        if parameter.name == "mode":
            value = MODES.get(name, value)
        if name in NAMES.get(parameter.name, ()) or name.endswith("NetworkTags"):
            value = ARGUMENTS["tags"] if parameter.name == "tags" else "name1.example.com"
        found[parameter.name] = value
    return found


def methods() -> list[str]:
    return sorted(json.loads(METHODS.read_text()))


def test_it_has_ganetis_methods_with_their_parameters() -> None:
    for name, parameters in json.loads(METHODS.read_text()).items():
        ours = list(inspect.signature(getattr(grc.GanetiRapiClient, name)).parameters)
        assert ours[1:] == parameters, name


@pytest.mark.parametrize("name", methods())
def test_every_method_is_understood(
    asked: tuple[grc.GanetiRapiClient, FakeMaster, Path], name: str
) -> None:
    api, master, _ = asked
    method = getattr(api, name)
    master.jobs.clear()

    more = {"mode": grc.NODE_EVAC_ALL} if name == "EvacuateNode" else {}

    result = method(**arguments(name, method), **more)

    if master.jobs and name != "GetOperatingSystems":
        assert result == JOB


@pytest.mark.parametrize(("kind", "fields"), [
    (results.Instance, INSTANCE), (results.Node, NODE),
    (results.Group, GROUP), (results.Network, NETWORK), (results.Job, JOB_FIELDS),
    (results.Filter, FILTER)])
def test_what_results_are_said_to_be_is_what_is_sent(kind: Any, fields: Any) -> None:
    assert kind.__annotations__.keys() == set(fields)


def test_a_token_and_one_change(asked: tuple[grc.GanetiRapiClient, FakeMaster, Path]) -> None:
    api, master, _ = asked
    host, port = api._where[:2]
    with pytest.raises(grc.GanetiApiError) as caught:
        grc.GanetiRapiClient(host, port, token="gnt_none").GetVersion()
    assert caught.value.code == 401
    with pytest.raises(grc.Error):
        grc.GanetiRapiClient(host, port, "rw", "rwsecret", token="gnt_none")
    master.results["QueryRecords"] = [{"serial_no": 5}]

    api.conditional(serial_no=5).StartupInstance("web1")
    api.ModifyInstance("web1", serial_no=5)
    with pytest.raises(grc.GanetiApiError) as late:
        api.conditional(serial_no=4).DeleteInstance("web1")

    assert late.value.code == 409
    assert [job[0]["serial_no"] for job in master.jobs[-2:]] == [5, 5]
    master.results["QueryRecords"] = RESULTS["QueryRecords"]


def test_events_come_one_by_one(asked: tuple[grc.GanetiRapiClient, FakeMaster, Path]) -> None:
    api, master, _ = asked
    master.results["WaitForEvents"] = {"lost": True, "last": "r-2", "events": [
        ["r-1", "job", {"id": 5}], ["r-2", "config", {}]]}
    came = api.events("r-0")

    assert [next(came) for _ in range(4)] == [
        grc.Event("r-2", "lost", {}), grc.Event("r-1", "job", {"id": 5}),
        grc.Event("r-2", "config", {}), grc.Event("r-2", "lost", {})]
    assert [args[0] for name, *args in master.calls if name == "WaitForEvents"] == ["r-0", "r-2"]


def test_whom_to_trust(asked: tuple[grc.GanetiRapiClient, FakeMaster, Path],
                       tmp_path: Path) -> None:
    api, _, pem = asked
    other = tmp_path / "other.pem"
    other.write_bytes(self_signed("localhost"))
    host, port = api._where[:2]

    assert grc.GanetiRapiClient(host, port, "rw", "rwsecret").GetVersion() == 2
    with pytest.raises(grc.CertificateError):
        grc.GanetiRapiClient(host, port, cafile=str(other)).GetVersion()
    assert grc.GanetiRapiClient("localhost", port, "rw", "rwsecret", cafile=str(pem),
                                verify_hostname=True).GetVersion() == 2
    with pytest.raises(grc.GanetiApiError) as caught:
        grc.GanetiRapiClient(host, port, "rw", "wrong").GetVersion()
    assert caught.value.code == 401
    with pytest.raises(grc.Error):
        grc.GanetiRapiClient(host, port, "rw")


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(grc.GanetiApiError) as caught:
        grc.GanetiRapiClient("127.0.0.1", 1, timeout=5).GetVersion()

    assert caught.value.code is None


def test_the_file_works_alone(tmp_path: Path) -> None:
    shutil.copy(str(grc.__file__), tmp_path / "ganeti_rapi_client.py")

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
         "import ganeti_rapi_client as grc; print(grc.GanetiRapiClient('x').USER_AGENT)"],
        capture_output=True, text=True, check=True)

    assert done.stdout == "Ganeti RAPI Client\n"


def test_it_is_installed_alone_from_a_wheel(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, str(TOP / "packaging/build_client.py"), "--folder", str(tmp_path)],
        capture_output=True, text=True, check=True)
    wheel, there = Path(built.stdout.strip()), tmp_path / "there"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
         "--disable-pip-version-check", "--root-user-action", "ignore", "--target", str(there),
         str(wheel)], check=True)

    assert {one.name for one in there.iterdir()} - {"__pycache__"} == {
        "ganeti_rapi_client.py", f"{wheel.name.partition('-py3')[0]}.dist-info"}
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(there)!r}); "
         "import ganeti_rapi_client as grc; print(grc.GanetiRapiClient('x').USER_AGENT)"],
        capture_output=True, text=True, check=True)
    assert said.stdout == "Ganeti RAPI Client\n"


def test_type_checkers_know_what_lists_have(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    file = tmp_path / "uses.py"
    file.write_text("""
from ganeti_core.rapi.client import GanetiRapiClient
api = GanetiRapiClient("x")
names: list[str] = api.GetInstances()
memory: int | None = api.GetInstances(True, "why")[0]["oper_ram"]
free: int | None = api.GetNodes(bulk=True)[0]["mfree"]
map: str = api.GetNetworks(bulk=True)[0]["map"]
policy: str = api.GetGroups(bulk=True)[0]["alloc_policy"]
status: str | None = api.GetJobs(bulk=True)[0]["status"]
uuid: str = api.GetFilters(bulk=True)[0]["uuid"]
api.GetNodes(bulk=True)[0]["nosuch"]
""")
    said, errors, _ = api.run(
        ["--config-file", str(TOP / "setup.cfg"), "--cache-dir", str(tmp_path), str(file)])

    assert errors == ""
    assert said.count("error:") == 1, said
    assert 'uses.py:11: error: TypedDict "Node" has no key "nosuch"' in said
