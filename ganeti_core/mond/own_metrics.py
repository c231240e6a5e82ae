"""What the monitoring daemon says of the collectors themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.data import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.node.published import Published

REPORTED = Metric(
    "ganeti_collector_report_timestamp_seconds", "gauge",
    "When a data collector reported last", ("collector",))
INTERVAL = Metric(
    "ganeti_collector_interval_seconds", "gauge",
    "Seconds between two reports of a data collector", ("collector",))
FAILED = Metric(
    "ganeti_collector_failed", "gauge",
    "Whether a data collector could not report last time: it failed, hung or returned rubbish",
    ("collector",))
STATUS = Metric(
    "ganeti_collector_status", "gauge",
    "How stands what a collector watches: 0 well, 1 being repaired, 2 unknown, 4 bad",
    ("collector",))
OWN = (REPORTED, INTERVAL, FAILED, STATUS)


def own_samples(collectors: Iterable[Published]) -> dict[str, list[list[Any]]]:
    """The samples of `OWN`."""
    samples: dict[str, list[list[Any]]] = {metric.name: [] for metric in OWN}
    for one in collectors:
        samples[INTERVAL.name].append([one.name, one.interval])
        samples[FAILED.name].append([one.name, int(bool(one.error))])
        if one.report is not None:
            samples[REPORTED.name].append([one.name, round(one.report["timestamp"] / 1e9, 3)])
            if (code := status_code(one)) is not None:
                samples[STATUS.name].append([one.name, code])
    return samples


def status_code(one: Published) -> int | None:
    """The status that a report carries; None: it is about figures."""
    match one.report:
        case {"data": {"status": {"code": int(code)}}}:
            return code
    return None
