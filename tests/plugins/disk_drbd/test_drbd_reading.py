"""What the kernel prints is read, and what parameters become."""

from __future__ import annotations

import pytest

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, OpPrereqError
from ganeti_core.plugin_api.testing.base import defaults
from ganeti_plugins.disk_drbd import DrbdTemplate, kernel, parameters

PROC = """version: 8.4.11 (api:1/proto:86-101)
srcversion: B438804C5AE8C84C95D0411
 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   r-----
    ns:0 nr:0 dw:33318 dr:730 al:15 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:d oos:1048320

 3: cs:Unconfigured

 5: cs:SyncSource ro:Secondary/Secondary ds:UpToDate/Inconsistent C r---n-
    ns:716992 nr:0 dw:0 dr:719432 al:0 bm:43 lo:0 pe:33 ua:18 ap:0 ep:1 wo:f oos:335744
\t[============>.......] sync'ed: 68.5% (335744/1048576)K
\tfinish: 1:02:05 speed: 64,800 (64,800) K/sec
11: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C s-----
    ns:0 nr:0 dw:0 dr:200 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:1048320
12: cs:Connected ro:Secondary/Primary ds:Diskless/UpToDate C r-----
    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:b oos:0
"""
SHOWN = """resource resource7 {
    options {
    }
    net {
        cram-hmac-alg           "md5";
        shared-secret           "shared_secret_123";
        allow-two-primaries     yes;
    }
    _remote_host {
        address                 ipv4 10.80.0.12:11000;
    }
    _this_host {
        address                 ipv4 10.80.0.11:11000;
        volume 0 {
            device                      minor 7;
            disk                        "/dev/xenvg/test.data";
            meta-disk                   "/dev/xenvg/test.meta";
            disk {
                size                    2097152s; # bytes
                resync-rate             61440k; # bytes/second
            }
        }
    }
}
"""


def test_devices_are_read() -> None:
    found = kernel.minors(PROC)
    assert sorted(found) == [0, 5, 11, 12]
    alone, source, frozen, diskless = (found[number] for number in (0, 5, 11, 12))
    assert (alone.has_given_up, alone.is_connected, alone.is_whole) == (True, False, False)
    assert (source.is_syncing, source.percent, source.seconds) == (True, 68.5, 3725.0)
    assert (frozen.frozen, frozen.has_given_up, alone.frozen) == (True, False, False)
    assert diskless.disk == "Diskless"
    assert diskless.can_be_written
    assert kernel.minors("version: 9.1.12 (api:2/proto:86-121)\n") == {}


@pytest.mark.parametrize(("text", "version"), [
    (PROC, (8, 4)), ("version: 9.1.12 (api:2/proto:86-121)\n", (9, 1)), ("", None)])
def test_the_version_of_the_module_is_read(text: str, version: tuple[int, int] | None) -> None:
    assert kernel.version(text) == version


STATUS_9 = """[
{
  "name": "resource3", "node-id": 0, "role": "Secondary", "suspended": false,
  "devices": [
    {"volume": 0, "minor": 3, "disk-state": "UpToDate", "client": false, "quorum": true,
     "size": 32768}],
  "connections": [
    {"peer-node-id": 1, "name": "node2", "connection-state": "Connected", "peer-role": "Primary",
     "peer_devices": [
       {"volume": 0, "replication-state": "Established", "peer-disk-state": "UpToDate",
        "out-of-sync": 0, "percent-in-sync": 100.00}]}]
},
{
  "name": "pvc-1", "node-id": 0, "role": "Primary", "devices": [
    {"volume": 0, "minor": 1000, "disk-state": "Diskless"},
    {"volume": 1, "minor": 1001, "disk-state": "UpToDate"}], "connections": []
}
]
"""


def test_the_devices_of_version_9_are_read() -> None:
    assert kernel.minors_of_9(STATUS_9) == {3: "resource3", 1000: "pvc-1", 1001: "pvc-1"}
    assert kernel.minors_of_9("[\n]\n") == {}
    for text in ("# No currently configured DRBD found.\n", "{}x", '[{"name": "a"}]', "3"):
        with pytest.raises(ValueError):  # noqa: PT011  # whatever Python says of it
            kernel.minors_of_9(text)


def test_the_configuration_of_a_device_is_read() -> None:
    assert kernel.configured(SHOWN) == kernel.Configured(
        "resource7", "/dev/xenvg/test.data", "/dev/xenvg/test.meta",
        "ipv4 10.80.0.11:11000", "ipv4 10.80.0.12:11000", both=True)
    assert kernel.configured("") is None


@pytest.mark.parametrize(("text", "expected"), [
    ("0123456789ABCDEE:0000000000000000:0000000000000000:0000000000000000:1:1:0:0:0:0:0\n",
     kernel.Generation(0x0123456789ABCDEE, True, True, False, False)),
    ("0000000000000004:0000000000000000:0000000000000000:0000000000000000:0:0:0:0:0:0:0\n",
     kernel.Generation(4, False, False, False, False)),
    ("0123456789ABCDEE:1:0:0:1:0:1:0:0:0:1\n", None),
])
def test_generations_are_read(text: str, expected: kernel.Generation | None) -> None:
    assert kernel.generation(text) == expected
    assert expected is None or expected.is_new == (expected.current == 4)


def disk(**params: object) -> DiskSpec:
    return DiskSpec("u", 0, "drbd", 128, params={**defaults(DrbdTemplate().describe()), **params},
                    granted={"secret": "s3cret", "port": 11000})


def test_parameters_become_options() -> None:
    assert parameters.attach_options(disk(), fences=False) == [
        "--on-io-error=detach", "--size=128m"]
    assert parameters.attach_options(disk(), fences=True) == [
        "--on-io-error=detach", "--size=128m", "--fencing=resource-and-stonith"]
    assert parameters.attach_options(disk(**{
        "disk-barriers": "bf", "meta-barriers": True, "disk-custom": "--al-extents 500"}),
        fences=False) == [
        "--on-io-error=detach", "--size=128m", "--disk-barrier=no", "--disk-flushes=no",
        "--md-flushes=no", "--al-extents", "500"]
    assert parameters.speed_options(disk()) == ["--resync-rate=61440k", "--c-plan-ahead=0"]
    assert parameters.speed_options(disk(**{"dynamic-resync": True})) == [
        "--c-plan-ahead=20", "--c-fill-target=0s", "--c-delay-target=1", "--c-max-rate=61440k",
        "--c-min-rate=4096k"]


def test_two_writers_need_the_strictest_protocol() -> None:
    relaxed = disk(protocol="A")
    assert parameters.sharing_options(relaxed, both=False)[0] == "--protocol=A"
    assert parameters.sharing_options(relaxed, both=True) == [
        "--protocol=C", "--allow-two-primaries=yes"]


@pytest.mark.parametrize("text", [
    "--ping-timeout='10", "ping-timeout=10", "--fencing resource-only"])
def test_options_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(OpPrereqError, match="net-custom"):
        parameters.check({}, {"net-custom": text})


def test_options_that_cannot_be_read_are_refused_by_the_node() -> None:
    with pytest.raises(BlockDeviceError, match="disk-custom"):
        parameters.attach_options(disk(**{"disk-custom": "--x='"}), fences=False)
