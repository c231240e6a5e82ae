"""Listens beside a test to what guests say on their consoles, and enters it in a ledger."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from block_ledger import Ledger


class ConsoleListener(ABC):
    """Listens from its beginning to its end as a context."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._over = threading.Event()
        self._thread = threading.Thread(target=self.listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether nobody wants to know more; wait so long for that."""
        return self._over.wait(seconds)

    @abstractmethod
    def listen(self) -> None:
        """Enter what is said until it is over, and let go of all consoles."""
