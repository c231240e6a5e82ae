"""What hspace tells programs that read JSON."""

from __future__ import annotations

import json
from math import isfinite

from ..model.cluster import Cluster
from .output import say
from .space_report import MachineReport


class JsonReport(MachineReport):
    """The same figures as one JSON object; what is no number is null."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        super().__init__(cluster, template)
        self._figures: dict[str, object] = {}

    def _put(self, key: str, value: object) -> None:
        try:
            number = float(str(value))
        except ValueError:
            self._figures[key] = value
            return
        whole = number.is_integer() and "." not in str(value)
        self._figures[key] = int(number) if whole else number if isfinite(number) else None

    def close(self) -> None:
        super().close()
        say(json.dumps(self._figures))
