"""Addresses of disks that QEMU opens itself, as the options of a protocol's block node.

An address is what QEMU takes for a file's name: ``nbd://host/export``, ``rbd:pool/image``, a plain
path. QEMU reads such a name only in its oldest options, and block nodes want it in parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ganeti_core.plugin_api import HypervisorError

Options = dict[str, Any]

NBD_PORT, GLUSTER_PORT, ISCSI_PORT = 10809, 24007, 3260


class _Wrong(Exception):
    """Says what is wrong with an address."""


def protocol_node(uri: str) -> Options:
    """The options of the block node that opens `uri`, without common ones.

    :raises HypervisorError: it cannot be read, or its protocol is not among those supported
    """
    scheme, colon, rest = uri.partition(":")
    try:
        if uri.startswith("/") or (scheme == "file" and rest.startswith("/")):
            return _file(uri)
        read = _READERS.get(scheme) if colon else None
        if read is None:
            raise _Wrong("supported are a path and "
                         + ", ".join(f"{name}:" for name in ("file", *sorted(_READERS))))
        return read(uri)
    except ValueError as exc:  # a port that is no number, a bracket without its other half
        raise HypervisorError(f"the address {uri!r} of a disk cannot be read: {exc}") from exc
    except _Wrong as exc:
        raise HypervisorError(f"the address {uri!r} of a disk cannot be used: {exc}") from exc


def _file(uri: str) -> Options:
    path = uri
    if uri.startswith("file:"):
        path = unquote(urlsplit(uri).path) if uri.startswith("file://") else uri[len("file:"):]
    return {"driver": "host_device" if Path(path).is_block_device() else "file", "filename": path}


def _json(uri: str) -> Options:
    node = json.loads(uri.partition(":")[2])
    if not isinstance(node, dict) or not isinstance(node.get("driver"), str):
        raise _Wrong("expected an object of options with a 'driver'")
    return node


def _nbd(uri: str) -> Options:
    if uri.startswith("nbd:") and not uri.startswith("nbd://"):
        return _old_nbd(uri)
    parts = urlsplit(uri)
    export = unquote(parts.path.removeprefix("/"))
    server = _server(parts, NBD_PORT)
    return {"driver": "nbd", "server": server, **({"export": export} if export else {})}


def _old_nbd(uri: str) -> Options:
    found = re.fullmatch(
        r"nbd:(?:unix:(?P<path>[^:]+)|(?P<host>\[[^]]+\]|[^:]+):(?P<port>\d+))"
        r"(?::exportname=(?P<export>.*))?", uri)
    if found is None:
        raise _Wrong("expected nbd:HOST:PORT or nbd:unix:PATH, and :exportname=NAME if need be")
    server = ({"type": "unix", "path": found["path"]} if found["path"] else
              {"type": "inet", "host": found["host"].strip("[]"), "port": found["port"]})
    return {"driver": "nbd", "server": server,
            **({"export": found["export"]} if found["export"] else {})}


def _gluster(uri: str) -> Options:
    parts = urlsplit(uri)
    volume, _, path = unquote(parts.path.removeprefix("/")).partition("/")
    if not volume or not path:
        raise _Wrong("expected gluster://HOST/VOLUME/PATH")
    return {"driver": "gluster", "volume": volume, "path": path,
            "server": [_server(parts, GLUSTER_PORT)]}


def _server(parts: SplitResult, port: int) -> Options:
    """The address of a server: a host, or with ``+unix`` the path of a socket."""
    if parts.scheme.endswith("+unix"):
        socket = parse_qs(parts.query).get("socket")
        if not socket:
            raise _Wrong("expected ?socket=PATH")
        return {"type": "unix", "path": socket[0]}
    if not parts.hostname:
        raise _Wrong("it names no host")
    return {"type": "inet", "host": parts.hostname, "port": str(parts.port or port)}


def _iscsi(uri: str) -> Options:
    parts = urlsplit(uri)
    target, _, lun = unquote(parts.path.removeprefix("/")).rpartition("/")
    if not target or not lun.isdigit() or not parts.hostname:
        raise _Wrong("expected iscsi://HOST/TARGET/LUN")
    if parts.username:
        raise _Wrong("a password would be on QEMU's command line")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {"driver": "iscsi", "transport": "tcp", "target": target, "lun": int(lun),
            "portal": f"{host}:{parts.port or ISCSI_PORT}"}


def _rbd(uri: str) -> Options:
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.split(r"(?<!\\):", uri)[1:]]
    pool, slash, image = words[0].partition("/")
    if not pool or not slash or not image:
        raise _Wrong("expected rbd:POOL/IMAGE")
    image, _, snapshot = image.partition("@")
    node: Options = {"driver": "rbd", "pool": pool, "image": image}
    if snapshot:
        node["snapshot"] = snapshot
    for word in words[1:]:
        name, _, value = word.partition("=")
        match name:
            case "id":
                node["user"] = value
            case "conf":
                node["conf"] = value
            case "mon_host":
                node["server"] = [_monitor(one) for one in re.split("[;,]", value)]
            case _:
                raise _Wrong(f"of options it may have id, conf and mon_host, not {name!r}")
    return node


def _monitor(text: str) -> Options:
    host, _, port = text.strip().rpartition(":")
    return {"host": (host or port).strip("[]"), "port": port if host else "6789"}


def _http(uri: str) -> Options:
    return {"driver": uri.partition(":")[0], "url": uri}


_READERS: dict[str, Callable[[str], Options]] = {
    "json": _json, "rbd": _rbd, "iscsi": _iscsi,
    **dict.fromkeys(("nbd", "nbd+tcp", "nbd+unix"), _nbd),
    **dict.fromkeys(("gluster", "gluster+tcp", "gluster+unix"), _gluster),
    **dict.fromkeys(("http", "https", "ftp", "ftps"), _http),
}
