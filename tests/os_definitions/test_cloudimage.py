"""Cloud images: found or fetched, checked, written, and told who they are."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import lzma
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ganeti_os_definitions
import pytest
from installed import KEY, MIB, an_instance
from own_mounts import own_mounts

from ganeti_core.plugin_api import InstanceSpec, OpPrereqError, OsScriptError
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.os_scripts.driver import OsScripts

pytestmark = pytest.mark.skipif(
    any(not shutil.which(one) for one in ("qemu-img", "mke2fs", "debugfs")),
    reason="needs qemu-img, mke2fs and debugfs")
FOLDER = ganeti_os_definitions.FOLDER / "cloudimage"
START = MIB
SEED = "/var/lib/cloud/seed/nocloud"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw image as clouds have them: a GPT, whose second partition is ext4 with cloud-init."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "root/etc/cloud").mkdir(parents=True)
    (folder / "root/etc/hostname").write_text("localhost\n")
    file_system = folder / "fs"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder / "root", file_system, "8M"],
                   check=True, timeout=30)
    made = folder / "image.raw"
    with made.open("wb") as file:
        entries = (struct.pack("<16s16sQQ", b"B" * 16, b"1" * 16, 40, 50),
                   struct.pack("<16s16sQQ", b"L" * 16, b"2" * 16, START // 512, 18431))
        file.seek(512)
        file.write(b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 4, 128))
        for number, entry in enumerate(entries):
            file.seek(1024 + 128 * number)
            file.write(entry)
        file.seek(START)
        file.write(file_system.read_bytes())
        file.truncate(10 * MIB)
    return made


def sha256(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Node:
    """The definition on a node, and an instance with an empty disk."""

    folder: Path
    instance: InstanceSpec

    @property
    def disk(self) -> Path:
        return Path(self.instance.disks[0].path)

    def create(self, image: Path | str, **params: str) -> None:
        given = self.given(image, **params)
        ctx = make_context(self.folder / "node1")
        driver = OsScripts("cloudimage", FOLDER)
        driver.validate(ctx, "", given, force_variant=False)
        driver.create(ctx, replace(self.instance, osparams=given), "", reinstall=False)

    def given(self, image: Path | str, **params: str) -> dict[str, str]:
        return {"image": str(image), "cache": str(self.folder / "cache"), **params}

    def inside(self, path: str) -> str:
        return subprocess.run(
            ["debugfs", "-R", f"cat {path}", f"{self.disk}?offset={START}"], check=True,
            capture_output=True, text=True, timeout=30).stdout

    def told(self, name: str) -> dict[str, object]:
        text = self.inside(f"{SEED}/{name}").removeprefix("#cloud-config\n")
        found: dict[str, object] = json.loads(text)
        return found

    def cached(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "cache").glob("[!.]*"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, an_instance("cloudimage", tmp_path, 16 * MIB))


@pytest.mark.parametrize("form", ["raw", "qcow2", "raw.xz", "qcow2.xz"])
def test_an_image_of_any_form_is_written_and_knows_its_instance(
    node: Node, image: Path, tmp_path: Path, form: str
) -> None:
    source = tmp_path / f"image.{form}"
    if form.startswith("qcow2"):
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", image, tmp_path / "plain"],
                       check=True, timeout=60)
    else:
        shutil.copy(image, tmp_path / "plain")
    plain = (tmp_path / "plain").read_bytes()
    source.write_bytes(lzma.compress(plain, preset=0) if form.endswith("xz") else plain)
    node.create(source, checksum=sha256(source), keys=KEY)
    assert node.inside("/etc/hostname") == "localhost\n"
    assert node.told("meta-data") == {
        "instance-id": node.instance.uuid, "local-hostname": "web1.example.com",
        "public-keys": [KEY]}
    assert node.told("user-data") == {}
    assert node.disk.stat().st_size == 16 * MIB


def test_cards_with_addresses_of_their_networks_have_them(node: Node, image: Path) -> None:
    node.create(image, dns="192.0.2.53,2001:db8::53")
    assert node.told("network-config") == {"version": 2, "ethernets": {
        "nic0": {"match": {"macaddress": "aa:00:00:11:22:33"}, "addresses": ["192.0.2.7/24"],
                 "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
                 "nameservers": {"addresses": ["192.0.2.53", "2001:db8::53"]}},
        "nic1": {"match": {"macaddress": "aa:00:00:11:22:34"}, "dhcp4": True}}}


def test_a_user_has_keys_and_a_password(node: Node, image: Path) -> None:
    node.create(image, user="admin", keys=f"{KEY},{KEY}2", password_hash="$6$salt$hash")
    (user,) = node.told("user-data")["users"]  # type: ignore[misc]  # the list that was written
    assert user == {"name": "admin", "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash",
                    "ssh_authorized_keys": [KEY, f"{KEY}2"], "lock_passwd": False,
                    "hashed_passwd": "$6$salt$hash"}


def test_own_user_data_is_passed_on_as_it_is(node: Node, image: Path) -> None:
    text = "#!/bin/sh\necho 'debugfs: hello'"
    node.create(image, user_data=text)
    assert node.inside(f"{SEED}/user-data") == text


def test_without_a_seed_the_image_is_left_as_it_is(node: Node, image: Path) -> None:
    node.create(image, seed="none")
    assert node.disk.read_bytes()[:10 * MIB] == image.read_bytes()


def renamed(node: Node, image: Path, **changes: str) -> None:
    OsScripts("cloudimage", FOLDER).rename(make_context(node.folder / "node1"), replace(
        node.instance, name="web2.example.com", osparams=node.given(image), **changes), "",
        "web1.example.com")


def test_a_renamed_instance_finds_its_new_name_and_what_it_was_told_once(
    node: Node, image: Path
) -> None:
    """Secret parameters are only there when it is installed."""
    text = "#!/bin/sh\necho secret"
    node.create(image, keys=KEY, user_data=text)
    renamed(node, image)
    assert node.told("meta-data") == {
        "instance-id": node.instance.uuid, "local-hostname": "web2.example.com",
        "public-keys": [KEY]}
    assert node.inside(f"{SEED}/user-data") == text


def test_another_instance_that_was_imported_is_told_anew(node: Node, image: Path) -> None:
    node.create(image, keys=KEY, user_data="#!/bin/sh\necho secret")
    uuid = "c0ffee00-0000-4000-8000-0000000000ff"
    renamed(node, image, uuid=uuid)
    assert node.told("meta-data") == {"instance-id": uuid, "local-hostname": "web2.example.com"}
    assert node.told("user-data") == {}


@pytest.fixture
def server(image: Path) -> Iterator[tuple[str, list[str]]]:
    """A web server with the image, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(
            Handler, directory=str(image.parent))) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}/{image.name}", asked
        made.shutdown()
        thread.join(10)


def test_an_image_is_fetched_once(
    node: Node, image: Path, server: tuple[str, list[str]]
) -> None:
    url, asked = server
    for _ in range(2):
        node.create(url, checksum=sha256(image))
        assert node.told("meta-data")["local-hostname"] == "web1.example.com"
    assert len(asked) == 1
    assert node.cached() == [sha256(image).replace(":", "-")]


def test_what_is_fetched_and_is_not_what_was_promised_is_not_kept(
    node: Node, server: tuple[str, list[str]]
) -> None:
    with pytest.raises(OsScriptError, match="has the checksum sha256:"):
        node.create(server[0], checksum="sha256:" + "0" * 64)
    assert [path.name for path in (node.folder / "cache").iterdir()] == [".lock"]


def test_an_image_larger_than_its_disk_is_refused_with_both_sizes(
    node: Node, image: Path
) -> None:
    with node.disk.open("r+b") as file:
        file.truncate(4 * MIB)
    with pytest.raises(OsScriptError, match=f"has {10 * MIB} bytes, disk 0 only {4 * MIB}"):
        node.create(image)


def test_an_image_that_refers_to_a_file_of_the_node_is_refused(
    node: Node, image: Path, tmp_path: Path
) -> None:
    thin = tmp_path / "thin.qcow2"
    subprocess.run(["qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", image, thin],
                   check=True, capture_output=True, timeout=30)
    with pytest.raises(OsScriptError, match="refers to another file"):
        node.create(thin)


def test_an_image_without_cloud_init_is_refused_with_the_way_out(
    node: Node, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", bare, "4M"], check=True, timeout=30)
    with pytest.raises(OsScriptError, match=r"cloud-init is not installed in it \(-O seed=none"):
        node.create(bare)
    (tmp_path / "empty").write_bytes(bytes(MIB))
    with pytest.raises(OsScriptError, match="no file system ext2, ext3 or ext4"):
        node.create(tmp_path / "empty")


@pytest.mark.parametrize(("params", "said"), [
    ({"image": ""}, "no image is given"),
    ({"image": "images/x.raw"}, "the path must be absolute"),
    ({"image": "/no/such/image"}, "there is no such file on this node"),
    ({"image": "ftp://example.com/x"}, "cannot be fetched by ftp, only by http, https, file"),
    ({"image": "https://example.com/x"}, "an image that is fetched needs its checksum"),
    ({"checksum": "md5:abc"}, "expected sha256: and 64 hexadecimal digits"),
    ({"seed": "cdrom"}, "expected nocloud or none"),
    ({"user": "Root User"}, "cannot be the name of a user"),
    ({"keys": "letmein"}, "is no public SSH key"),
    ({"user_data": "hello"}, "expected a text that begins with one of"),
    ({"user_data": "#!/bin/sh", "user": "admin"}, "user: user_data is given"),
    ({"seed": "none", "user": "admin"}, "user: nobody is told of it with seed="),
    ({"dns": "resolver"}, "does not appear to be an IPv4 or IPv6 address"),
])
def test_parameters_without_meaning_are_refused_when_they_are_given(
    node: Node, image: Path, params: dict[str, str], said: str
) -> None:
    with pytest.raises(OpPrereqError) as refused:
        OsScripts("cloudimage", FOLDER).validate(
            make_context(node.folder / "node1"), "", node.given(image) | params,
            force_variant=False)
    assert said in refused.value.message


def test_nothing_is_mounted_and_nothing_is_left(node: Node, image: Path) -> None:
    before = own_mounts(node.folder)
    node.create(image)
    assert own_mounts(node.folder) == before
    assert sorted(path.name for path in node.folder.iterdir()) == ["disk0", "node1"]
