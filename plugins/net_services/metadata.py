"""Tells guests about themselves, in the form of EC2, which cloud-init understands.

Run beside dnsmasq in the namespace of its network: ``python -m ... FOLDER USER ADDRESS``. Who asks
is known by the address; the rules of the namespace let in no other guests than the node's own.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork

TAG = "cloud-metadata"
"""The tag of networks whose guests are told."""
FILE = "metadata.json"
PORT = 80
VERSIONS = ("2009-04-04", "latest")
THREADS = 2
About = Mapping[str, Any]
"""What is known of one guest: ``name``, ``uuid``, ``mac``, ``ip``, ``keys``, ``user_data``."""


def document(cards: Sequence[ServedCard], addresses: Callable[[ServedCard], list[str]]) -> str:
    """What the server reads: guests by their addresses."""
    found: dict[str, dict[str, Any]] = {}
    for card in cards:
        params = card.instance.osparams
        keys = [key.strip() for key in
                str(params.get("keys") or "").replace(",", "\n").splitlines() if key.strip()]
        about = {"name": card.instance.name, "uuid": card.instance.uuid, "mac": card.nic.mac,
                 "ip": card.nic.ip or "", "keys": keys,
                 "user_data": str(params.get("user_data") or "")}
        found |= dict.fromkeys(addresses(card), about)
    return json.dumps(found)


def is_wanted(network: ServedNetwork) -> bool:
    return TAG in ((network.network or {}).get("tags") or ())


def answer(about: About, path: str) -> str | None:
    """Return what there is at a path; None for nothing."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join(VERSIONS)
    version, *rest = parts
    if version not in VERSIONS:
        return None
    match rest:
        case []:
            return "meta-data/\nuser-data" if about["user_data"] else "meta-data/"
        case ["user-data"]:
            return about["user_data"] or None
        case ["meta-data", *names]:
            return _meta_data(about, names)
    return None


def _meta_data(about: About, names: list[str]) -> str | None:
    simple = {"hostname": about["name"], "instance-id": about["uuid"],
              "local-hostname": about["name"], "local-ipv4": about["ip"], "mac": about["mac"]}
    match names:
        case []:
            return "\n".join((*sorted(simple), *(["public-keys/"] if about["keys"] else [])))
        case [str(name)] if simple.get(name):
            return str(simple[name])
        case ["public-keys"] if about["keys"]:
            return "\n".join(f"{number}=key{number}" for number in range(len(about["keys"])))
        case ["public-keys", number, *what] if number.isascii() and number.isdigit() and (
                int(number) < len(about["keys"])):
            return {(): "openssh-key", ("openssh-key",): about["keys"][int(number)]}.get(
                tuple(what))
    return None


class Application:
    """The WSGI application; reads its file anew at each request, for guests come and go."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return [b""]
        known = json.loads(self._file.read_text())
        about = known.get(environ.get("REMOTE_ADDR", ""))
        text = answer(about, environ.get("PATH_INFO", "")) if about else None
        if text is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        body = text.encode()
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"),
                                  ("Content-Length", str(len(body)))])
        return [body]


def main(folder: Path, user: str, address: str) -> None:
    """Serve until the process is ended."""
    from waitress import create_server

    server = create_server(Application(folder / FILE), host=address, port=PORT, threads=THREADS,
                           ident="")
    # In the group of root it can read its file, and nothing more is left to it.
    os.setgroups([])
    os.setgid(0)
    os.setuid(pwd.getpwnam(user).pw_uid)
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
