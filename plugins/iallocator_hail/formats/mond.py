"""What the monitoring daemons tell about the load of nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ..errors import LoadError
from .json_reader import Fields, Json, as_float, as_object, as_string, list_of, parse_json

CPU_LOAD: Final = "cpu-avg-load"
_PORT = 1815
_TIMEOUT = 10.0


def reports_from_text(text: str) -> dict[str, float]:
    """Processor load per node name, from a document with the reports of several nodes.

    :raises LoadError: it is malformed.
    """
    loads: dict[str, float] = {}
    for item in list_of(as_object)(parse_json(text, "Parsing MonD's answer")):
        fields = Fields("MonD data", item)
        node = fields.get("node", as_string)
        for report in fields.get("reports", list_of(as_object)):
            value = _cpu_total(report)
            if value is not None:
                loads[node] = value
    return loads


def _cpu_total(report: dict[str, Json]) -> float | None:
    fields = Fields("MonD report", report)
    if fields.get("name", as_string) != CPU_LOAD:
        return None
    data = Fields("MonD report data", fields.get("data", as_object))
    load = data.get("cpu_total", as_float)
    if not math.isfinite(load):
        raise LoadError(f"a load of {load} cannot be compared with others")
    return load


def query(nodes: Mapping[str, str]) -> dict[str, float]:
    """Ask the daemons of all nodes at once; nodes that do not answer are left out.

    :param nodes: where each can be reached, by its name
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=max(1, min(32, len(nodes)))) as pool:
        answers = pool.map(_ask, nodes.values())
    return {node: load for node, load in zip(nodes, answers, strict=True) if load is not None}


def _ask(address: str) -> float | None:
    # The network's libraries load slower than most programs run, and few runs need them.
    from http.client import HTTPException
    from urllib.request import urlopen

    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{_PORT}/1/report/default/{CPU_LOAD}"
    try:
        with urlopen(url, timeout=_TIMEOUT) as response:
            return _cpu_total(as_object(parse_json(response.read().decode())))
    except (OSError, HTTPException, ValueError, LoadError):
        return None
