"""Cluster data from the remote API of a cluster."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from ..errors import LoadError
from ..records import Description
from .json_reader import Json, as_object, list_of, parse_json
from .query_rows import Tables, describe
from .text import read_file

_PORT: Final = 5080
_TIMEOUT = 60.0
_FILES: Final[Mapping[str, str]] = {
    "/2/groups?bulk=1": "groups.json",
    "/2/nodes?bulk=1": "nodes.json",
    "/2/instances?bulk=1": "instances.json",
    "/2/info": "info.json",
}


def load_rapi(address: str) -> Description:
    """Ask a cluster: a host name, an address with scheme, or `file://` and a folder of answers.

    :raises LoadError: it does not answer, or says something unexpected.
    """
    objects = list_of(as_object)
    return describe(
        Tables(
            groups=objects(_get(address, "/2/groups?bulk=1")),
            nodes=objects(_get(address, "/2/nodes?bulk=1")),
            instances=objects(_get(address, "/2/instances?bulk=1")),
            cluster=as_object(_get(address, "/2/info")),
        )
    )


def _get(address: str, path: str) -> Json:
    parts = urlsplit(address)
    if parts.scheme == "file":
        return parse_json(read_file(f"{parts.path}/{_FILES[path]}"))
    base = address if parts.scheme in ("http", "https") else f"https://{address}:{_PORT}"
    # The cluster's certificate is its own; Ganeti's programs do not check it either.
    context = ssl._create_unverified_context()  # noqa: S323 - see above
    try:
        with urlopen(base + path, timeout=_TIMEOUT, context=context) as answer:  # noqa: S310 - http only
            return parse_json(answer.read().decode())
    except (URLError, HTTPException, OSError, ValueError) as exc:
        raise LoadError(f"Curl error for '{base}{path}', error {exc}") from exc
