"""What each path shows. Pure: from reports to a response, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.mond.exposition import MEDIA_TYPE, lines_of, page
from ganeti_core.mond.own_metrics import OWN, own_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.mond.reports import Known

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
DEFAULT_CATEGORY = "default"
VERSION = 1


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    body: str
    media_type: str = JSON
    status: int = 200


@dataclass(frozen=True)
class Sources:
    """What the pages are made of, asked anew for each.

    :param cluster: the name of the cluster
    :param master: the name of the master, as this node knows it
    :param node: the name of this node
    """

    reports: Callable[[], Sequence[Known]]
    cluster: Callable[[], str]
    master: Callable[[], str]
    node: str


def respond(sources: Sources, path: str) -> Response:
    """Show what lies at `path`."""
    match path.strip("/").split("/"):
        case [""]:
            return Response(json.dumps([VERSION]))
        case ["1"]:
            return Response("null")
        case ["1", "list", "collectors"]:
            return Response(json.dumps([
                [one.published.name, _category(one), one.published.kind]
                for one in sources.reports()]))
        case ["1", "report", "all"]:
            return Response(f"[{','.join(one.report for one in _reported(sources))}]")
        case ["1", "report", category, name]:
            return _report(sources, category, name)
        case ["1", "report", *_]:
            return NO_REPORT
        case ["metrics"]:
            return _node_metrics(sources)
        case ["metrics", "cluster"]:
            return _cluster_metrics(sources)
    return NOT_FOUND


NOT_FOUND = Response("Resource not found", TEXT, 404)
NO_REPORT = Response("Unable to produce a report for the requested resource", TEXT, 404)
READ_ONLY = Response("Only GET and HEAD can be used here", TEXT, 405)


def _category(one: Known) -> str:
    return one.published.category or DEFAULT_CATEGORY


def _reported(sources: Sources) -> list[Known]:
    return [one for one in sources.reports() if one.published.report is not None]


def _report(sources: Sources, category: str, name: str) -> Response:
    for one in _reported(sources):
        if one.published.name == name and _category(one) == category:
            return Response(one.report)
    return NO_REPORT


def _node_metrics(sources: Sources) -> Response:
    known = sources.reports()
    return Response(page([
        *(tuple(line for line in one.lines if not line[0].cluster_wide) for one in known),
        lines_of(OWN, own_samples([one.published for one in known]))]), MEDIA_TYPE)


def _cluster_metrics(sources: Sources) -> Response:
    """The metrics of the whole cluster, on the master."""
    if sources.node != sources.master():
        # No failure: whoever asks all candidates gets the figures from the one that has them.
        return Response(f"# {sources.node} is not the master: ask "
                        f"{sources.master() or 'the master'}\n", MEDIA_TYPE)
    cluster = sources.cluster()
    return Response(page([
        lines_of([metric for metric in one.published.metrics if metric.cluster_wide],
                 one.published.samples, cluster)
        for one in sources.reports()]), MEDIA_TYPE)
