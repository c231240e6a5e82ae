"""Learn who may command this node: it may have been away while that changed.

A node that starts asks a few others for their list of members before it lets anybody change it,
for two seconds at most: where nobody answers it goes by the list that it has. While it runs it asks
again when a certificate of the cluster's authority is shown that its list does not name: of a node
that was removed, or of one that has come, and may be the master, since this node was last told.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.errors import AccessDenied, GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.gate import START_SECONDS
from ganeti_core.node.services.members import take
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.connection import Refused

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.rpc.members import Member

log = logging.getLogger(__name__)

PAUSE = 0.2
ASKED_CANDIDATES, ASKED_OTHERS = 3, 2
"""Candidates are told first of what changes; others may be the only ones left of an old list."""
CALL_SECONDS = 5.0
REST_SECONDS, LONGEST_REST = 1.0, 5.0
"""Between two rounds, longer while they bring nothing new: who shows strange certificates decides
when one begins, but not how often."""


@dataclass
class CatchUp:
    """Asks other nodes for their list, in threads of its own.

    :param clients: calls them as this node
    """

    state: NodeState
    clients: NodeClients
    _wanted: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="catch-up", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End soon; the daemon's `leave` is set."""
        self._wanted.set()
        self.clients.close()

    def want(self) -> None:
        """Ask the others soon: a certificate was shown that the list here does not name."""
        self._wanted.set()

    def _run(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self._heard(until) and time.monotonic() < until:
            if self.state.leave.wait(PAUSE):
                return
        self.state.gate.open()
        rest = REST_SECONDS
        while not self.state.leave.is_set():
            self._wanted.wait()
            if self.state.leave.is_set():
                return
            self._wanted.clear()
            before = self.state.members.known().version
            self._heard(time.monotonic() + START_SECONDS)
            is_new = self.state.members.known().version != before
            rest = REST_SECONDS if is_new else min(2 * rest, LONGEST_REST)
            self.state.leave.wait(rest)

    def _heard(self, until: float) -> bool:
        """As `_ask`; a round that fails here heard nobody."""
        try:
            return self._ask(until)
        except Exception:  # wall: without this thread the node would obey nobody, or an old master
            log.exception("the other nodes could not be asked for their list of members")
            return False

    def _ask(self, until: float) -> bool:
        """Ask a few nodes at once; tells whether anybody answered, or nobody is there to ask."""
        asked = self._chosen()
        if not asked:
            return True
        heard: list[bool] = []
        threads = [threading.Thread(target=self._ask_one, args=(member, heard), daemon=True,
                                    name=f"catch-up-{member.name}") for member in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return bool(heard)

    def _chosen(self) -> list[Member]:
        own = self.state.world.local.identity.uuid
        others = [member for member in self.state.members.known().members
                  if member.uuid != own and member.certificates]
        random.shuffle(others)
        candidates = [member for member in others if member.candidate][:ASKED_CANDIDATES]
        return candidates + [member for member in others if not member.candidate][:ASKED_OTHERS]

    def _ask_one(self, member: Member, heard: list[bool]) -> None:
        peer = Peer(member.uuid, member.name, member.address, member.port)
        call = service_call("node.members", {"signed": self.state.members.text()},
                            timeout=CALL_SECONDS)
        try:
            answer = self.clients.call(peer, call)
            if text := answer["signed"]:
                take(self.state, str(text))
        except (Refused, AccessDenied) as exc:
            log.warning("%s", exc)
        except GanetiError as exc:
            log.debug("%s", exc)
            return
        except Exception:  # wall: whatever one node says, the others are heard
            log.exception("the list of members of %s cannot be used", member.name)
        finally:
            # Places of nodes are few, and this one will not ask again soon.
            self.clients.drop(member.uuid)
        heard.append(True)
