"""What the monitoring daemon gets to see of this node's data collectors: a file each.

The node daemon, which runs them, writes the files; they lie where a reboot removes them. So the
daemon that strangers may ask needs neither plugins nor rights, and never waits for a collector.
What it shows to strangers every user may read, as far as the folder above lets one come.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.data import Metric
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".json"
MODE = 0o644
FOLDER_MODE = 0o755


@dataclass(frozen=True)
class Published:
    """An active collector, and what it said last.

    :param report: in Ganeti's form; None: nothing yet
    :param samples: see `Report`
    """

    name: str
    category: str
    kind: int
    interval: float
    report: dict[str, Any] | None
    error: str
    metrics: tuple[Metric, ...] = ()
    samples: dict[str, list[list[Any]]] = field(default_factory=dict)

    def to_text(self) -> str:
        return json.dumps({**vars(self), "metrics": _documents(self.metrics)},
                          separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Published:
        """:raises ValueError: that is none"""
        try:
            found = json.loads(text)
            metrics = tuple(Metric(**{**one, "labels": tuple(one["labels"])})
                            for one in found.pop("metrics"))
            return cls(**found, metrics=metrics)
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"no report of a collector: {exc}") from exc


@cache
def _documents(metrics: tuple[Metric, ...]) -> list[dict[str, Any]]:
    """What a collector declares is written with each of its reports."""
    return [asdict(metric) for metric in metrics]


def publish(folder: Path, collector: Published) -> None:
    """:raises OSError: the file cannot be written"""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o777 != FOLDER_MODE:
        folder.chmod(FOLDER_MODE)
    write_atomically(folder / f"{collector.name}{SUFFIX}", collector.to_text().encode(), MODE,
                     durable=False)


def withdraw(folder: Path, names: set[str]) -> None:
    """Remove the files of all collectors but `names`.

    :raises OSError: one cannot be removed
    """
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.suffix == SUFFIX and file.stem not in names:
            file.unlink(missing_ok=True)
