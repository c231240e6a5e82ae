"""Takes back what ended guests left attached, and keeps the services of networks alive.

A guest can end without anybody being told, and a service can die. This looks now and then, and when
the daemon starts; it acts through hooks in worker processes, as everything does.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.cards import Cards
from ganeti_core.node.collecting import SETTINGS
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugin_api.network_services import NETWORK_SERVICES
from ganeti_core.rpc.wire import is_failure

if TYPE_CHECKING:
    from ganeti_core.node.dispatch import Dispatcher
    from ganeti_core.node.world import World

log = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds between two looks for cards whose guests have ended."""
LOOKS_PER_ROUND = 6
"""At every so manieth look each service is called, so that one that died is there again."""
STOP_SECONDS = 5.0


@dataclass
class Tending:
    """The thread that looks.

    :param pause: seconds between two looks
    """

    world: World
    dispatcher: Dispatcher
    pause: float = PAUSE
    _leave: threading.Event = field(default_factory=threading.Event)
    _said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tending", daemon=True)

    def start(self) -> None:
        """Begin, when the hypervisors have found their guests again."""
        self._thread.start()

    def stop(self) -> None:
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        looks = 0
        while not self._leave.is_set():
            try:
                if (settings := self._settings()) is not None:
                    self.look(settings, services=looks % LOOKS_PER_ROUND == 0)
                    looks += 1
            except Exception:  # wall: the daemon's loop
                log.exception("attached cards could not be looked after")
            self._leave.wait(self.pause)

    def look(self, settings: dict[str, Any], *, services: bool) -> None:
        """Detach the cards of ended guests; with `services` let each serve what there is."""
        cards = Cards(self.world.cards_folder, _nobody)
        gone = cards.gone()
        for card in gone:
            log.info("%s of %s is gone", card.device, card.instance.name)
            self._call(NETWORK_BACKENDS.name, card.nic.mode, "detach", settings, nic=card.nic,
                       instance=card.instance, device=card.device)
        # What is gone may be the interface of a service that has died.
        for service in cards.services() if services or gone else ():
            self._call(NETWORK_SERVICES.name, service.driver, "serve", settings,
                       network=service.network, cards=())

    def _call(
        self, kind: str, driver: str, hook: str, settings: dict[str, Any], **arguments: Any
    ) -> None:
        request = HookRequest(kind, driver, hook, {
            name: codec.encode(value) for name, value in arguments.items()}, settings)
        call = RunningCall(request.title, time.monotonic() + request.where().timeout)
        envelope = self.dispatcher.run(request, call)
        problem = envelope["error"][1] if is_failure(envelope) else ""
        about = f"{request.title} {arguments.get('device') or arguments['network'].uuid}"
        if problem and problem != self._said.get(about):
            log.warning("%s: %s", about, problem)
        self._said[about] = problem

    def _settings(self) -> dict[str, Any] | None:
        """What the cluster has set, as far as this node knows; None before it does."""
        file = self.world.local.paths.ssconf / f"ssconf_{SETTINGS}"
        try:
            found = json.loads(file.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def _nobody(kind: str, name: str, hook: str, /, **_: Any) -> Any:
    raise LookupError(f"{kind} {name}: {hook} is called in a worker process only")
