"""Greedy colouring of graphs: vertices that are joined get different colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Graph = dict[int, list[int]]
"""Neighbours of every vertex; a neighbour may occur several times, and be the vertex itself."""

Classes = list[list[int]]
"""Vertices by colour, ascending within each."""


@dataclass(frozen=True, slots=True)
class Colouring:
    """What one procedure found."""

    name: str
    classes: Classes


def _smallest_free(graph: Graph, vertex: int, colours: dict[int, int]) -> int:
    taken = {colours[n] for n in graph[vertex] if n in colours}
    return next(colour for colour in range(len(graph) + 1) if colour not in taken)


def _classes(colours: dict[int, int]) -> Classes:
    count = max(colours.values(), default=-1) + 1
    found: Classes = [[] for _ in range(count)]
    for vertex in sorted(colours):
        found[colours[vertex]].append(vertex)
    return found


def largest_first(graph: Graph) -> Classes:
    """Take vertices by descending degree, later ones first among equals."""
    colours: dict[int, int] = {}
    for vertex in sorted(graph, key=lambda v: (-len(graph[v]), -v)):
        colours[vertex] = _smallest_free(graph, vertex, colours)
    return _classes(colours)


Pressure = Callable[[Sequence[int]], int]
"""How constrained a vertex is, from its neighbours' colours."""


def _dynamic(graph: Graph, pressure: Pressure) -> Classes:
    colours: dict[int, int] = {}

    def key(vertex: int) -> tuple[int, int, int]:
        near = [colours[n] for n in graph[vertex] if n in colours]
        return pressure(near), len(graph[vertex]), vertex

    while left := [vertex for vertex in graph if vertex not in colours]:
        vertex = max(left, key=key)
        colours[vertex] = _smallest_free(graph, vertex, colours)
    return _classes(colours)


def most_colours(graph: Graph) -> Classes:
    """Take the vertex whose neighbours have most different colours."""
    return _dynamic(graph, lambda near: len(set(near)))


def most_coloured(graph: Graph) -> Classes:
    """Take the vertex with most coloured neighbours."""
    return _dynamic(graph, len)


def all_colourings(graph: Graph) -> list[Colouring]:
    """Try all procedures, in the order in which they win ties."""
    return [
        Colouring("LF", largest_first(graph)),
        Colouring("Dsatur", most_colours(graph)),
        Colouring("Dcolor", most_coloured(graph)),
    ]


def best(colourings: Sequence[Colouring]) -> Classes:
    """The classes of the first with fewest colours."""
    return min(colourings, key=lambda found: len(found.classes)).classes
