"""Keys of migrations: each is made for one transfer, and only its two ends have it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import Literal

from ganeti_core.plugin_api import HypervisorError

from . import confinement
from .guests import Guest
from .qmp import Qmp, QmpRefused

KEY_BYTES = 32
CREDENTIALS = "migration-key"


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
    file.unlink(missing_ok=True)
    owner = folder.stat()
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(f"qemu:{key}\n")
        os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
    with suppress(QmpRefused):
        qmp.execute("object-del", {"id": CREDENTIALS})
    qmp.execute("object-add", {"qom-type": "tls-creds-psk", "id": CREDENTIALS,
                               "endpoint": endpoint, "dir": runtime.keys})
    qmp.execute("migrate-set-parameters", {"tls-creds": CREDENTIALS})
    if endpoint == "client":
        file.unlink()  # it was read; a server reads it at each connection
