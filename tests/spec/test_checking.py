"""A file that is not of the form is refused with place, value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from ganeti_core.errors import OpPrereqError
from ganeti_core.spec.checking import MOST_SHOWN, checked

WEB = {"disks": [{"size": 10}], "nics": [{}]}


def document(**sections: Any) -> dict[str, Any]:
    return {"version": 1, **sections}


@pytest.mark.parametrize(("wrong", "message"), [
    (None, "f: the file: there is nothing in it; expected a mapping"),
    ([], "f: the file: found []; expected a mapping"),
    ({}, "f: the file: the key 'version' is missing"),
    ({"version": 2}, "f: version: found 2; expected 1"),
    (document(instance={}), "f: the file: unknown key 'instance'; known are cluster, groups, "),
    (document(instances={"web": {"disk": []}}),
     "f: instances/web: unknown key 'disk'; known are beparams, disk_template, disks, "),
    (document(instances={"web": {"disks": [{"size": "1g"}]}}),
     "f: instances/web/disks/0/size: found '1g'; expected a whole number, 1 or more"),
    (document(instances={"web": {"disks": [{"size": True}]}}), "found true; expected a whole"),
    (document(instances={"web": {"disks": [{"size": 0}]}}),
     "f: instances/web/disks/0/size: found 0; expected a whole number, 1 or more"),
    (document(instances={"web": {"disks": [{}]}}),
     "f: instances/web/disks/0: the key 'size' is missing"),
    (document(instances={"web": {"state": "running"}}),
     "f: instances/web/state: found 'running'; expected one of up, down, offline"),
    (document(instances={"web": {"beparams": {"memory": 1}}}), "unknown key 'memory'"),
    (document(instances={"web": {"beparams": {"maxmem": "1g"}}}),
     "f: instances/web/beparams/maxmem: found '1g'; expected a whole number, 0 or more or"
     " 'default'"),
    (document(instances={"web": {"hvparams": {"acpi": {"a": 1}}}}),
     "f: instances/web/hvparams/acpi: found {a: 1}; expected text or"),
    (document(instances={"web": {"nics": [{"mac": "aa:bb"}]}}), "nics/0/mac: 'aa:bb' is not"),
    (document(instances={"web": {"nics": [{"ip": "10.0.0.300"}]}}),
     "f: instances/web/nics/0/ip: '10.0.0.300' does not"),
    (document(instances={"web": {"nics": [{"network": "n", "link": "br0"}]}}),
     "f: instances/web/nics/0: link cannot be given beside 'network'"),
    (document(instances={"web": {"disks": [{"size": 1, "name": "a"}, {"size": 2, "name": "a"}]}}),
     "f: instances/web/disks: the name 'a' stands there twice"),
    (document(instances={"web": {}, "WEB": {}}), "f: instances: 'WEB' and 'web' are one name"),
    (document(instances={"a b": {}}), "f: instances: 'a b' is not possible here; expected"),
    (document(instances={"web": {"tags": ["a", "a"]}}), "tags: an entry of [a, a] stands"),
    (document(instances={"web": {"tags": ["a b"]}}), "tags/0: 'a b' is not possible here"),
    (document(networks={"n": {}}), "f: networks/n: the key 'network' is missing"),
    (document(networks={"n": {"network": "10.0.0.1/24"}}), "f: networks/n/network: 10.0.0.1/24 "),
    (document(networks={"n": {"network": "10.0.0.0/24", "gateway": "x"}}),
     "f: networks/n/gateway: "),
    (document(networks={"n": {"network": "10.0.0.0/24", "groups": {"g": {"mode": "routed"}}}}),
     "f: networks/n/groups/g: the key 'link' is missing"),
    (document(cluster={"candidate_pool_size": 0}),
     "f: cluster/candidate_pool_size: found 0; expected a whole number, 1 or more"),
    (document(groups={"g": {"alloc_policy": "x"}}), "expected one of preferred, last_resort, "),
    (document(groups={"g": {"ipolicy": {"std": {}}}}), "f: groups/g/ipolicy: unknown key 'std'"),
])
def test_a_wrong_file_is_refused_by_place(wrong: Any, message: str) -> None:
    with pytest.raises(OpPrereqError) as caught:
        checked(wrong, "f")
    assert message in caught.value.message


def test_everything_wrong_is_named_at_once_but_not_without_end() -> None:
    with pytest.raises(OpPrereqError) as caught:
        checked(document(cluster={"a": 1, "b": 2}, groups={"g": {"tags": 3}}), "f")
    assert [line.partition(";")[0] for line in caught.value.message.splitlines()] == [
        "f: cluster: unknown key 'a'", "f: cluster: unknown key 'b'",
        "f: groups/g/tags: found 3"]
    with pytest.raises(OpPrereqError) as caught:
        checked(document(cluster=dict.fromkeys(map(str, range(100)))), "f")
    lines = caught.value.message.splitlines()
    assert len(lines) == MOST_SHOWN + 1
    assert lines[-1] == "f: ... and 80 more"


def test_values_are_brought_into_the_form_that_the_master_keeps() -> None:
    final = checked(document(
        cluster={"mac_prefix": "AA:00:01", "osparams": {"tree": {"size": 3}},
                 "nicparams": {"vlan": "7"}},
        networks={"n": {"network": "10.0.0.0/24", "network6": "2001:DB8::/64",
                        "groups": {"g": {"mode": "bridged", "link": "br0", "vlan": "5"}}}},
        instances={"web": {"nics": [{"mac": "AA:00:00:00:00:0F", "ip": "2001:DB8::1",
                                     "vlan": "9"}]}}), "f")
    assert final["cluster"] == {"mac_prefix": "aa:00:01", "osparams": {"tree": {"size": "3"}},
                                "nicparams": {"vlan": ".7"}}
    assert final["networks"]["n"]["network6"] == "2001:db8::/64"
    assert final["networks"]["n"]["groups"]["g"]["vlan"] == ".5"
    assert final["instances"]["web"]["nics"] == [
        {"mac": "aa:00:00:00:00:0f", "ip": "2001:db8::1", "vlan": ".9"}]
