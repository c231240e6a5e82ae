"""Keys of migrations: each is made for one transfer, and only its two ends have it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ganeti_core.plugin_api import HypervisorError

from . import confinement
from .guests import Guest
from .qmp import Qmp, QmpRefused

KEY_BYTES = 32
CREDENTIALS = "migration-key"
GROUP_FILE = "dh-params.pem"
GROUP = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The group ffdhe2048 of RFC 7919. QEMU up to version 8 at least looks for one of its own where it
finds none, which takes seconds of processor time, and longer than an answer may take on a node that
is busy."""


def new_key() -> str:
    """A key that nobody has."""
    return secrets.token_hex(KEY_BYTES)


def encrypt(guest: Guest, qmp: Qmp, endpoint: Literal["client", "server"], key: str) -> None:
    """Protect the next transfer by a key that only its two ends have, and that is used once.

    The nodes' own certificates would do as well, but their keys must not be in the memory of a
    process that runs guests.

    :raises HypervisorError: QEMU cannot encrypt, or there is no key
    """
    if not key:
        raise HypervisorError(
            f"the node that is to receive {guest.name} gave no key for the transfer: its software "
            "is older; upgrade it first")
    runtime = guest.load()
    folder = confinement.keys_folder(guest.folder)
    if runtime is None or not runtime.keys or not folder.is_dir():
        raise HypervisorError(
            f"{guest.name} was started before migrations were encrypted; restart it first")
    file = folder / "keys.psk"
    _write(file, f"qemu:{key}\n")
    if endpoint == "server":
        _write(folder / GROUP_FILE, GROUP)
    with suppress(QmpRefused):
        qmp.execute("object-del", {"id": CREDENTIALS})
    qmp.execute("object-add", {"qom-type": "tls-creds-psk", "id": CREDENTIALS,
                               "endpoint": endpoint, "dir": runtime.keys})
    qmp.execute("migrate-set-parameters", {"tls-creds": CREDENTIALS})
    if endpoint == "client":
        file.unlink()  # it was read; a server reads it at each connection


def _write(file: Path, text: str) -> None:
    """Write a file that the owner of its folder, and nobody else, can read."""
    owner = file.parent.stat()
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
        os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
