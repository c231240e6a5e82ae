"""The tags of one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_NOENT, OpPrereqError
from ganeti_core.query.requests import unreadable

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot

_TITLES = {"node": "Node", "nodegroup": "Group", "instance": "Instance", "network": "Network"}


def tags_of(snapshot: Snapshot, kind: object, name: object) -> list[str]:
    """The answer to ``QueryTags``.

    :param kind: ``cluster``, ``node``, ``nodegroup``, ``instance`` or ``network``
    :param name: of the object; for the cluster any string
    :raises RequestError: there is no such kind
    :raises OpPrereqError: there is no such object (`ECODE_NOENT`)
    """
    if not isinstance(name, str):
        raise unreadable([kind, name], "Unable to read String")
    if kind == "cluster":
        return sorted(snapshot.cluster.tags)
    if not isinstance(kind, str) or kind not in _TITLES:
        raise unreadable([kind, name], f'Invalid string value for type TagKind: "{kind}"')
    found = snapshot.find(kind, name)
    if found is None:
        raise OpPrereqError(f"{_TITLES[kind]} name {name} not found", ECODE_NOENT)
    return sorted(found.tags)
