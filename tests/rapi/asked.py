"""The application without sockets: requests go in, responses come out, a fake master between."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import NoMasterError
from ganeti_core.plugin_api.authenticator import Identity
from ganeti_core.plugin_api.passwords import USERS_FILE
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.rapi.application import Application
from ganeti_core.rapi.login import Login
from ganeti_core.rapi.preconditions import Precondition, checked
from ganeti_core.rapi.users import users_file
from ganeti_plugins.auth_users import UsersFileAuthenticator

DATA = Path(__file__).parent / "data"
USERS = "rw rwsecret write\nro rosecret\n"
PASSWORDS = {"rw": "rwsecret", "ro": "rosecret"}
JOB = 4711


def recorded() -> list[dict[str, Any]]:
    """What a Ganeti of version 3.0 returned, a request each."""
    return [json.loads(line) for line in (DATA / "recorded.jsonl").read_text().splitlines()]


@dataclass
class FakeMaster:
    """Accepts every job, and returns what it was given for other calls."""

    results: dict[str, Any] = field(default_factory=dict)
    jobs: list[list[dict[str, Any]]] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        self.calls.append((method, *args))
        result = self.results[method]
        if isinstance(result, GanetiError):
            raise result
        return result

    async def text(self, method: str, *args: Any, wait: float = 0.0) -> bytes:
        return json.dumps(await self.call(method, *args, wait=wait)).encode()

    async def submit(
        self, ops: list[dict[str, Any]], precondition: Precondition | None = None
    ) -> int:
        ops = await checked(self, ops, precondition)
        self.jobs.append(ops)
        return JOB

    def socket(self) -> Path:
        raise NoMasterError("no program reaches this one")


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


def application(
    folder: Path, master: Any, users: str = USERS, *, strict: bool = False, **more: Any
) -> Application:
    """An application with a users file."""
    file = folder / USERS_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(users)
    ctx, authenticator = make_context(folder), UsersFileAuthenticator()

    async def asked(name: str, password: str) -> Identity | None:
        return authenticator.authenticate(ctx, name, password)

    return Application(master, Login(users_file(file), asked), strict, **more)


def credentials(user: str | None) -> dict[str, str]:
    """The header of one of the users, or another that is given whole."""
    if user is None:
        return {}
    if " " in user:
        return {"authorization": user}
    pair = f"{user}:{PASSWORDS[user]}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def ask(
    app: Application, method: str, path: str, body: bytes = b"",
    headers: Mapping[str, str] | None = None, *, pieces: int = 1,
) -> Answer:
    """Send a request; its body comes in so many pieces."""
    raw_path, _, query = path.partition("?")
    size = max(1, -(-len(body) // pieces))
    parts = [body[start:start + size] for start in range(0, len(body), size)] or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http", "method": method, "path": raw_path, "raw_path": raw_path.encode(),
        "query_string": query.encode(), "abort": lambda: None, "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode())
                    for name, value in (headers or {}).items()]}
    asyncio.run(app(scope, receive, send))
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]))


def ask_as(
    app: Application, case: Mapping[str, Any]
) -> Answer:
    """Send a recorded request."""
    body = case.get("raw_body")
    text = body if body is not None else json.dumps(case["body"]) if "body" in case else ""
    return ask(app, case["method"], case["path"], text.encode(),
               credentials(case["user"]) | case.get("headers", {}))
