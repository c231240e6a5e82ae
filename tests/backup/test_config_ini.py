"""``config.ini`` of exports: those of Ganeti are read, and what is written is read again."""

from __future__ import annotations

import configparser

import pytest

from ganeti_core.errors import OpPrereqError
from ganeti_core.model import Disk, Instance
from ganeti_core.operations.backup.config_ini import Described, ExportedDisk, read, written
from ganeti_core.operations.backup.importing import _typed

GANETI = """\
[export]
version = 0
timestamp = 1795219402
source = edf6672b-334b-43fd-af5a-75b2aa4daeb0
os = debootstrap+default
compression = none

[instance]
name = web1.example.com
maxmem = 512
minmem = 256
memory = 512
vcpus = 2
disk_template = plain
hypervisor = kvm
tags = one two:three
nic0_mac = aa:00:00:81:26:01
nic0_ip = None
nic0_network = None
nic0_name = None
nic0_mode = bridged
nic0_link = br0
nic0_vlan = None
nic_count = 1
disk0_ivname = disk/0
disk0_dump = 736aaf81-0c0d-460a-8e85-de99ff9dc083
disk0_size = 1024
disk0_name = root
disk1_ivname = disk/1
disk1_dump = 2c5f0b4e-3f3c-4a7e-8a0e-5b3f8f5d2c11
disk1_size = 128
disk1_name = None
disk_count = 2

[hypervisor]
acpi = True
kernel_path =
cpu_mask = all

[backend]
maxmem = 512
auto_balance = True

[os]
mirror = http://deb.example.com/%%40

[os_private]
"""


def test_an_export_of_ganeti_is_read() -> None:
    found = read(GANETI, "web1.example.com")
    assert (found.name, found.os, found.hypervisor, found.disk_template) == (
        "web1.example.com", "debootstrap+default", "kvm", "plain")
    assert found.tags == ("one", "two:three")
    assert found.disks == (
        ExportedDisk(1024, "root", "rw", "736aaf81-0c0d-460a-8e85-de99ff9dc083"),
        ExportedDisk(128, None, "rw", "2c5f0b4e-3f3c-4a7e-8a0e-5b3f8f5d2c11"))
    assert found.nics == ({"mac": "aa:00:00:81:26:01", "ip": None, "name": None, "network": None,
                           "mode": "bridged", "link": "br0", "vlan": None},)
    assert found.hvparams == {"acpi": "True", "kernel_path": "", "cpu_mask": "all"}
    assert found.beparams == {"maxmem": "512", "auto_balance": "True"}
    assert found.osparams == {"mirror": "http://deb.example.com/%40"}
    assert found.variables == {}


def test_an_export_of_old_has_its_memory_elsewhere() -> None:
    found = read("[export]\nversion=0\nos=x\n[instance]\nname=a\nmemory=128\nvcpus=1\n", "a")
    assert found.beparams == {"memory": "128", "vcpus": "1"}


def test_what_is_written_is_read_again_and_by_ganeti() -> None:
    instance = Instance(
        uuid="u", name="a.example.com", primary_node="n", hypervisor="fake", os="noop",
        disk_template="file", tags=("x",), disks=("d",))
    odd = {"percent": "50%", "lines": "one\ntwo", "none": "none", "list": ["a", 1], "empty": "",
           "equal": "a = b : c", "blanks": "  a ", "return": "a\rb",
           "data": "#cloud-config\nusers:\n  - name: 50%\n# who else\n\n    sudo: y\n"}
    text = written(Described(instance, {
        "hypervisor": odd, "backend": {"maxmem": 128, "minmem": 64, "vcpus": 1},
        "os": {}, "os_private": {"token": "sesame"}, "os_variables": {"Case": "kept"},
    }, [{"mac": "aa:00:00:00:00:01", "network": "lan"}],
        [(Disk(uuid="d", template="file", size=4, mode="ro", name="root"), 77)]))
    found = read(text, "a.example.com")
    assert found.hvparams == {**odd, "list": '["a", 1]'}
    assert found.variables == {"Case": "kept"}
    assert found.osparams_private == {"token": "sesame"}
    assert found.disks == (ExportedDisk(4, "root", "ro", "d", 77),)
    assert found.nics[0]["network"] == "lan"
    theirs = configparser.ConfigParser()
    theirs.read_string(text)
    assert theirs.get("hypervisor", "percent") == "50%"
    assert (theirs.getint("export", "version"), theirs.getint("instance", "disk0_size")) == (0, 4)


@pytest.mark.parametrize("text", [
    "", "[export]\n", "[instance]\nname=a\n", "x", "[export]\n[export]\n",
    "[export]\nversion=0\n[instance]\nname=a\n[os]\n[exact]\nos=x\n",
    "[export]\nversion=0\n[instance]\nname=a\n[os]\n[exact]\nos={\"a\": 1}\n",
    "[export]\nversion=0\n[instance]\n", "[export]\nversion=\n[instance]\n"])
def test_what_is_damaged_is_refused_by_name(text: str) -> None:
    with pytest.raises(OpPrereqError, match=r"Corrupted export config: config.ini in web1"):
        read(text, "web1")


@pytest.mark.parametrize(("kind", "value"), [
    ("integer", "many"), ("number", "1,5"), ("array", "no JSON"), ("object", "[" * 100_000)])
def test_a_value_of_another_type_is_refused_by_name(kind: str, value: str) -> None:
    with pytest.raises(OpPrereqError, match="for the hypervisor parameter 'some_name'"):
        _typed({"type": kind}, "some_name", value)
    assert _typed({"type": [kind, "string"]}, "some_name", value) == value
