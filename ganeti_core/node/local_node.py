"""The node that a process works for: who it is, and where its files are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class LocalNode:
    """The node and its file tree: data, so that it can be told to another process."""

    identity: NodeIdentity
    paths: Paths

    def to_dict(self) -> dict[str, Any]:
        return {"identity": asdict(self.identity), "root": str(self.paths.root)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(NodeIdentity(**data["identity"]), Paths(Path(data["root"])))
