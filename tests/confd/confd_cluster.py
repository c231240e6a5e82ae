"""The cluster whose confd was recorded, and requests to it that are signed with a key of ours."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ganeti_core.confd.answers import Answers
from ganeti_core.confd.service import Service
from ganeti_core.confd_client.messages import MAGIC, sign
from ganeti_core.config.ganeti_format import read_config
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.config.store import snapshot_of
from ganeti_core.model import KINDS

KEY = b"a key of these tests\n"
NOW = 1795220350.0
"""When the requests were recorded."""
RECORDED_SERIAL = "65"
"""In Ganeti's answers; see `Answers.serial`."""
CONFIG = Path(__file__).parents[1] / "data/config/ganeti-3.0-lab.json"
INTERVALS = dict.fromkeys(("cpu-avg-load", "diskstats", "drbd", "lv", "xen-cpu-avg-load"), 5000000)
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


def recorded() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (Path(__file__).parent / "data/recorded.json").read_text())
    return found


@cache
def snapshot() -> Snapshot:
    objects = read_config(json.loads(CONFIG.read_text()))
    return snapshot_of(((_KIND_OF[type(one)], one.uuid, one) for one in objects),
                       {"config_serial": RECORDED_SERIAL, "epoch": "1"})


def answers() -> Answers:
    return Answers(snapshot(), INTERVALS)


def service() -> Service:
    made = Service(KEY)
    made.use(answers())
    return made


def resigned(datagram: str) -> bytes:
    """The same message, signed with our key; what is no message stays as it is."""
    try:
        outer = json.loads(datagram[len(MAGIC):])
        signature = sign(KEY, outer["salt"], outer["msg"])
    except (ValueError, KeyError):
        return datagram.encode()
    return datagram.replace(outer["hmac"], signature).encode()


def request(message: dict[str, Any], salt: str = str(int(NOW)), key: bytes = KEY) -> bytes:
    """A signed request with any content."""
    text = json.dumps(message)
    return MAGIC + json.dumps(
        {"msg": text, "salt": salt, "hmac": sign(key, salt, text)}).encode()


def said(reply: bytes) -> dict[str, Any]:
    """The inner message of an answer."""
    found: dict[str, Any] = json.loads(json.loads(reply[len(MAGIC):])["msg"])
    return found


def ask(kind: int, query: Any = None, to: Service | None = None) -> dict[str, Any]:
    """Ask one question; return status, answer and serial."""
    return said((to or service()).reply(
        request({"protocol": 1, "type": kind, "query": query, "rsalt": "r"}), NOW))
