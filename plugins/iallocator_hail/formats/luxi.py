"""Cluster data from the master daemon on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganeti_core.luxi.client import LuxiClient
from ganeti_core.plugin_api import GanetiError

from ..errors import LoadError
from ..records import Description
from .query_rows import GROUP, INSTANCE, NODE, Row, Tables, describe


def load_luxi(socket: str) -> Description:
    """Ask the master that listens on a socket.

    :raises LoadError: it does not answer, or says something unexpected.
    """
    try:
        with LuxiClient(Path(socket)) as client:
            tables = Tables(
                groups=_rows(client, "group", GROUP),
                nodes=_rows(client, "node", NODE),
                instances=_rows(client, "instance", INSTANCE),
                cluster=client.query_cluster_info(),
            )
    except GanetiError as exc:
        raise LoadError(f"cannot ask the master at {socket}: {exc}") from exc
    return describe(tables)


def _rows(client: LuxiClient, what: str, fields: tuple[str, ...]) -> list[Row]:
    answer: dict[str, Any] = client.query(what, list(fields), None)
    return [
        {name: value for name, (status, value) in zip(fields, row, strict=True) if status == 0}
        for row in answer["data"]
    ]
