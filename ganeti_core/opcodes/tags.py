"""Tags of every object."""

from __future__ import annotations

from typing import Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class TagsDel(OpCode):
    """Remove tags."""

    op_id = "OP_TAGS_DEL"

    kind: Literal["cluster", "instance", "network", "node", "nodegroup"]
    tags: list[str]
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class TagsGet(OpCode):
    """List the tags of an object."""

    op_id = "OP_TAGS_GET"
    summary_field = "name"

    kind: Literal["cluster", "instance", "network", "node", "nodegroup"]
    use_locking: bool = False
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class TagsSearch(OpCode):
    """Search tags by pattern."""

    op_id = "OP_TAGS_SEARCH"
    summary_field = "pattern"

    pattern: NonEmptyStr


@dataclass(frozen=True, kw_only=True)
class TagsSet(OpCode):
    """Add tags."""

    op_id = "OP_TAGS_SET"

    kind: Literal["cluster", "instance", "network", "node", "nodegroup"]
    tags: list[str]
    name: str | None = None
