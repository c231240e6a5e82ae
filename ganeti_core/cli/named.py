"""Objects that a command names one by one: each must exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.cli.session import Session


def rows_of(
    session: Session, what: str, names: Sequence[str], fields: Sequence[str]
) -> list[list[Any]]:
    """Return the values of `fields`, a row for each object; all objects without any name.

    The older calls, such as ``QueryNodes``, leave names out that they do not know: a command that
    went by them would do nothing for a misspelt name, and report success.

    :raises errors.OpPrereqError: there is no object of one of the names
    """
    wanted = ["|", *(["=", "name", name] for name in names)] if names else None
    rows: list[list[list[Any]]] = session.client.query(what, list(fields), wanted)["data"]
    return [[value for _, value in row] for row in rows]
