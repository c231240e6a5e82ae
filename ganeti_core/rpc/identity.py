"""Which node this host is, as enrolment or the cluster's initialisation wrote it down."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from ganeti_core.errors import ConfigurationError, NotInCluster
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths

DEFAULT_PORT = 1811
"""Where node daemons listen, as Ganeti's do."""


@dataclass(frozen=True)
class NodeIdentity:
    """A node's own name for itself; `address` and `port` are where its daemon listens."""

    uuid: str
    name: str
    address: str
    port: int

    @classmethod
    def load(cls, paths: Paths) -> Self:
        """
        :raises NotInCluster: this host is no node
        :raises ConfigurationError: the file is damaged
        """
        file = identity_file(paths)
        try:
            data = json.loads(file.read_text())
            return cls(str(data["uuid"]), str(data["name"]), str(data["address"]),
                       int(data["port"]))
        except FileNotFoundError as exc:
            raise NotInCluster(
                f"this host belongs to no cluster: there is no {file}") from exc
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ConfigurationError(f"{file} cannot be read: {exc!r}") from exc

    def save(self, paths: Paths) -> None:
        write_atomically(
            identity_file(paths), json.dumps(asdict(self), indent=1).encode(), 0o644)


def identity_file(paths: Paths) -> Path:
    return paths.data / "node.json"
