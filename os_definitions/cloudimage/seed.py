"""What cloud-init is told: a NoCloud seed in the image's own file system.

It is written by debugfs, so nothing of an image that may be anybody's is ever mounted on the node,
and nothing is left when a script is killed. Documents are JSON, which is YAML, too.
"""

from __future__ import annotations

import ipaddress
import json
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parameters import Parameters, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "/var/lib/cloud/seed/nocloud"
MARK = "/etc/cloud"
"""What a file system has in which cloud-init is installed."""
LARGEST = 1 << 20
"""Bytes of what is read of a file of the image; one without blocks may be of any size."""
SECTOR = 512
ENTRY_SIZES = range(128, 4097)
"""Bytes of an entry in a GPT."""
EXT_MAGIC_AT, EXT_MAGIC = 1024 + 56, b"\x53\xef"


@dataclass(frozen=True)
class Documents:
    """The files of the seed, by name."""

    files: dict[str, str]

    @classmethod
    def of(cls, given: Parameters, instance: dict[str, Any]) -> Documents:
        meta = {"instance-id": instance["uuid"], "local-hostname": instance["name"],
                **({"public-keys": list(given.keys)} if given.keys else {})}
        return cls({"meta-data": _document(meta), "user-data": given.user_data or _user_data(given),
                    "network-config": _document(network_config(instance["nics"], given.dns))})


def _user_data(given: Parameters) -> str:
    config: dict[str, Any] = {}
    if given.user or given.password_hash:
        config["users"] = [{
            **({"name": given.user} if given.user else {"name": "root"}),
            **({"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash"} if given.user else {}),
            **({"ssh_authorized_keys": list(given.keys)} if given.keys else {}),
            "lock_passwd": not given.password_hash,
            **({"hashed_passwd": given.password_hash} if given.password_hash else {})}]
    return "#cloud-config\n" + _document(config)


def network_config(nics: list[dict[str, str]], dns: tuple[str, ...]) -> dict[str, Any]:
    """Cards with an address of their network have it; the others ask for one."""
    ethernets: dict[str, Any] = {}
    routed = False
    for index, nic in enumerate(nics):
        card: dict[str, Any] = {"match": {"macaddress": nic["MAC"]}}
        if nic["IP"] and nic["NETWORK_SUBNET"]:
            length = ipaddress.ip_network(nic["NETWORK_SUBNET"]).prefixlen
            card["addresses"] = [f"{nic['IP']}/{length}"]
            if nic["NETWORK_GATEWAY"] and not routed:
                # Two default routes would be one too many.
                routed = True
                card["routes"] = [{"to": "0.0.0.0/0", "via": nic["NETWORK_GATEWAY"]}]
            if dns:
                card["nameservers"] = {"addresses": list(dns)}
        else:
            card["dhcp4"] = True
        ethernets[f"nic{index}"] = card
    return {"version": 2, "ethernets": ethernets}


def _document(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def write(disk: Path, documents: Documents) -> None:
    """Write the seed into the file system of the disk that has cloud-init.

    :raises Refused: there is none, or it is not one that can be written
    """
    target = _root(disk)
    with tempfile.TemporaryDirectory() as folder:
        commands = [f"mkdir {path}" for path in _parents(FOLDER)]
        for name, text in documents.files.items():
            source, inside = Path(folder) / name, f"{FOLDER}/{name}"
            source.write_text(text)
            commands += [f"rm {inside}", f"write {source} {inside}",
                         f"sif {inside} mode 0100600", f"sif {inside} uid 0",
                         f"sif {inside} gid 0"]
        subprocess.run(["debugfs", "-w", "-f", "-", target], check=True, capture_output=True,
                       input="\n".join((*commands, "")).encode())
    for name, text in documents.files.items():
        # It goes on after an error, and ends well.
        if _said(target, f"cat {FOLDER}/{name}") != text:
            raise Refused(f"{FOLDER}/{name} could not be written into the image: is it full?")
    print(f"cloud-init finds {', '.join(documents.files)} in {FOLDER}")


def renaming(disk: Path, documents: Documents) -> Documents:
    """What is to be written for a new name: that alone where the seed is of this instance already,
    for secret parameters are told when it is installed, and never again.
    """
    told = json.loads(documents.files["meta-data"])
    try:
        known = json.loads(_said(_root(disk), f"cat {FOLDER}/meta-data"))
    except (ValueError, RecursionError):  # there is none, or it is not ours
        return documents
    if not isinstance(known, dict) or known.get("instance-id") != told["instance-id"]:
        return documents
    return Documents({"meta-data": _document(
        {**known, "local-hostname": told["local-hostname"]})})


def _parents(folder: str) -> list[str]:
    parts = folder.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _root(disk: Path) -> str:
    """The file system with cloud-init, as debugfs takes it.

    :raises Refused: there is none that can be written
    """
    starts = [start for start in (0, *partitions(disk)) if _is_ext(disk, start)]
    if not starts:
        raise Refused("the image has no file system ext2, ext3 or ext4, the only ones that a seed "
                      "can be written into (-O seed=none leaves the image as it is)")
    for start in starts:
        target = f"{disk}?offset={start}" if start else str(disk)
        if "Type: directory" in _said(target, f"stat {MARK}"):
            return target
    raise Refused(f"no file system of the image has {MARK}: cloud-init is not installed in it (-O "
                  "seed=none leaves the image as it is)")


def _is_ext(disk: Path, start: int) -> bool:
    with disk.open("rb") as file:
        file.seek(start + EXT_MAGIC_AT)
        return file.read(2) == EXT_MAGIC


def partitions(disk: Path) -> Iterator[int]:
    """Yield where the partitions of a GPT or MBR begin, in bytes."""
    with disk.open("rb") as file:
        first, second = file.read(SECTOR), file.read(SECTOR)
        if second[:8] == b"EFI PART":
            at, count, size = struct.unpack_from("<QII", second, 72)
            file.seek(at * SECTOR)
            for _ in range(min(count, 256) if size in ENTRY_SIZES else 0):
                entry = file.read(size)
                if len(entry) >= 40 and any(entry[:16]):
                    yield int(struct.unpack_from("<Q", entry, 32)[0]) * SECTOR
        elif first[510:512] == b"\x55\xaa":
            for number in range(4):
                start = struct.unpack_from("<I", first, 446 + 16 * number + 8)[0]
                if start:
                    yield int(start) * SECTOR


def _said(target: str, command: str) -> str:
    """What debugfs prints, of a file that is too large its beginning.

    :raises ValueError: it is no text
    """
    words = ["debugfs", "-R", command, target]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors) as debugfs:
            said = debugfs.stdout.read(LARGEST) if debugfs.stdout else b""
            if len(said) == LARGEST:
                debugfs.kill()
        if debugfs.returncode > 0:
            errors.seek(0)
            raise subprocess.CalledProcessError(
                debugfs.returncode, words, stderr=errors.read(LARGEST))
    return said.decode()
