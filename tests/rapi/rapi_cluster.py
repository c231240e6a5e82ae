"""A virtual cluster whose remote API is asked over its real connections."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asked import PASSWORDS, USERS, Answer
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout

PORT = 5080
SECONDS = 60.0


def unverified() -> ssl.SSLContext:
    """Certificates of clusters are signed by themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Rapi:
    """The remote API of a cluster."""

    cluster: VirtualCluster

    @property
    def address(self) -> str:
        return Layout.load(self.cluster.root).address

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPSConnection]:
        one = http.client.HTTPSConnection(self.address, PORT, timeout=SECONDS,
                                          context=unverified())
        try:
            yield one
        finally:
            one.close()

    def ask(self, method: str, path: str, body: Any = None, user: str | None = "rw",
            headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request in a connection of its own; `body` is encoded unless it is bytes."""
        sent = dict(headers or {})
        if user is not None:
            pair = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
            sent.setdefault("Authorization", f"Basic {pair}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with self.connection() as link:
            link.request(method, path, body, sent)
            response = link.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()},
                          response.read())

    def get(self, path: str) -> Any:
        """What a GET returns; it must succeed."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def job(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Submit a job and return its document once it has ended."""
        answer = self.ask(method, path, body)
        assert answer.status == 200, answer
        return self.ended(answer.json)

    def ended(self, number: int) -> dict[str, Any]:
        """A job's document once it has ended."""
        found: dict[str, Any] = wait_until(lambda: (
            job := self.get(f"/2/jobs/{number}"))["status"] in ("success", "error", "canceled")
            and job, f"job {number} ends")
        return found

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """As `job`, which must succeed: the result of its first opcode."""
        job = self.job(method, path, body)
        assert job["status"] == "success", job
        return job["opresult"][0]


def with_users(cluster: VirtualCluster, users: str = USERS) -> Rapi:
    """Write the users file of the cluster's master."""
    file = cluster.paths().rapi_users
    file.parent.mkdir(exist_ok=True)
    file.write_text(users)
    file.chmod(0o600)
    return Rapi(cluster)
