"""What the scripts are told: the parameters of the OS, the instance and its disk."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = "/var/cache/ganeti/cloudimage"
DIGESTS = {"sha256": 64, "sha512": 128}
"""Kinds of checksums, and how many digits each has."""
REMOTE = ("http", "https")
KEY = re.compile(r"(ssh-|ecdsa-|sk-)\S+ \S+( .*)?")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
USER_DATA = ("#cloud-config", "#!", "#include", "#part-handler", "#cloud-boothook", "Content-Type:",
             "MIME-Version:", "## template:")
"""How a text begins that cloud-init understands."""


class Refused(Exception):
    """What was asked for cannot be; says why."""


@dataclass(frozen=True)
class Parameters:
    """The parameters, with their defaults; see ``parameters.list``."""

    image: str
    checksum: str
    cache: Path
    seed: str
    user: str
    keys: tuple[str, ...]
    password_hash: str
    user_data: str
    dns: tuple[str, ...]

    @classmethod
    def from_environment(cls) -> Parameters:
        def told(name: str) -> str:
            return os.environ.get(f"OSP_{name.upper()}", "").strip()

        keys = tuple(part.strip() for part in re.split(r"[,\n]", told("keys")) if part.strip())
        dns = tuple(part.strip() for part in told("dns").split(",") if part.strip())
        return cls(told("image"), told("checksum").lower(), Path(told("cache") or CACHE),
                   told("seed") or "nocloud", told("user"), keys, told("password_hash"),
                   told("user_data"), dns)

    @property
    def scheme(self) -> str:
        """How the image is fetched; empty for a path on the node."""
        return urlsplit(self.image).scheme

    @property
    def path(self) -> Path:
        """Where the image lies, if it need not be fetched."""
        return Path(urlsplit(self.image).path if self.scheme == "file" else self.image)

    def check(self) -> None:
        """:raises Refused: a parameter has no meaning, or does not go with another"""
        self._check_image()
        if self.seed not in ("nocloud", "none"):
            raise Refused(f"seed={self.seed!r}: expected nocloud or none")
        told = [name for name in ("user", "keys", "password_hash", "user_data", "dns")
                if getattr(self, name)]
        if told and self.seed == "none":
            raise Refused(f"{', '.join(told)}: nobody is told of it with seed=none")
        made = [name for name in ("user", "password_hash") if getattr(self, name)]
        if made and self.user_data:
            raise Refused(f"{' and '.join(made)}: user_data is given, which has to say so itself")
        if self.user_data and not self.user_data.startswith(USER_DATA):
            raise Refused("user_data: expected a text that begins with one of "
                          f"{', '.join(USER_DATA)}")
        if self.user and not USER.fullmatch(self.user):
            raise Refused(f"user={self.user!r} cannot be the name of a user")
        for key in self.keys:
            if not KEY.fullmatch(key):
                raise Refused(f"keys: {key[:40]!r} is no public SSH key (ssh-ed25519 AAAA...)")
        for address in self.dns:
            _check_address(address)

    def _check_image(self) -> None:
        if not self.image:
            raise Refused("image: no image is given (-O image=PATH or URL)")
        kind, _, digits = self.checksum.partition(":")
        if self.checksum and (len(digits) != DIGESTS.get(kind)
                              or not re.fullmatch("[0-9a-f]+", digits)):
            raise Refused(f"checksum={self.checksum[:140]!r}: expected sha256: and 64 hexadecimal "
                          "digits, or sha512: and 128")
        if self.scheme in REMOTE:
            if not self.checksum:
                raise Refused(f"image={self.image}: an image that is fetched needs its checksum "
                              "(-O checksum=sha256:HEX)")
        elif self.scheme not in ("", "file"):
            raise Refused(f"image={self.image}: cannot be fetched by {self.scheme}, only by "
                          f"{', '.join((*REMOTE, 'file'))}")
        elif not self.path.is_absolute():
            raise Refused(f"image={self.image}: the path must be absolute")
        elif not self.path.is_file():
            raise Refused(f"image={self.image}: there is no such file on this node")


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as exc:
        raise Refused(f"dns: {exc}") from exc


def first_disk() -> Path:
    """:raises Refused: there is none, or nothing can be written there"""
    if int(os.environ.get("DISK_COUNT") or 0) < 1:
        raise Refused("a system needs a disk")
    if os.environ.get("DISK_0_ACCESS") == "ro":
        raise Refused("disk 0 is read-only")
    path = os.environ.get("DISK_0_PATH")
    if not path:
        raise Refused("disk 0 has no path on this node")
    if not Path(path).exists():
        raise Refused(f"disk 0 is not at {path}")
    return Path(path)


def instance() -> dict[str, Any]:
    """The instance as cloud-init is told of it: its name, its uuid, its cards."""
    def card(index: int) -> dict[str, str]:
        names = ("MAC", "IP", "NETWORK_SUBNET", "NETWORK_GATEWAY")
        return {name: os.environ.get(f"NIC_{index}_{name}", "") for name in names}

    return {"name": os.environ["INSTANCE_NAME"], "uuid": os.environ["INSTANCE_UUID"],
            "nics": [card(index) for index in range(int(os.environ.get("NIC_COUNT") or 0))]}


def run(script: Callable[[], None]) -> None:
    """Run a script's work; what is wrong ends it with one line."""
    try:
        script()
    except Refused as exc:
        sys.exit(str(exc))
    except subprocess.CalledProcessError as exc:
        said = (exc.stderr or exc.stdout or b"").decode(errors="replace").strip()
        sys.exit(f"{exc.cmd[0]} ended with status {exc.returncode}: {said}")
    except OSError as exc:
        sys.exit(str(exc))
