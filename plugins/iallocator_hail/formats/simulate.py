"""Made-up clusters: `policy,nodes,disk,memory,cpus[,spindles[,exclusive]]` per group."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LoadError
from ..records import ALLOC_POLICIES, Description, Group, Node
from .haskell import read_float, read_int, show_string
from .units import parse_unit

_SHORT = {"p": "preferred", "a": "last_resort", "u": "unallocable"}


def simulate(specs: Sequence[str]) -> Description:
    """A cluster of empty groups, one per specification.

    :raises LoadError: a specification is malformed.
    """
    groups: list[Group] = []
    nodes: list[Node] = []
    for number, spec in enumerate(specs, 1):
        columns = spec.split(",")
        if not 5 <= len(columns) <= 7:
            raise LoadError(
                "Invalid cluster specification, expected 6 comma-separated sections "
                "(allocation policy, node count, disk size, memory size, number of CPUs, "
                f"spindles) but got {len(columns)}: '{spec}'"
            )
        policy = _policy(columns[0])
        groups.append(Group(f"group-{number:02}", f"fake-uuid-{number:02}", policy))
        nodes.extend(_nodes(number, columns))
    return Description(tuple(groups), tuple(nodes), (), first_index=1)


def _policy(text: str) -> str:
    if text in ALLOC_POLICIES:
        return text
    if text in _SHORT:
        return _SHORT[text]
    raise LoadError(
        f"Invalid string value for type AllocPolicy: {show_string(text)}; "
        f"Cannot parse AllocPolicy abbreviation '{text}'"
    )


def _nodes(number: int, columns: list[str]) -> list[Node]:
    count = read_int("node count", columns[1])
    disk = parse_unit("disk size", columns[2])
    memory = parse_unit("memory size", columns[3])
    cpus = read_float("cpu count", columns[4])
    spindles = read_int("spindles", columns[5]) if len(columns) > 5 else 1
    exclusive = _boolean(columns[6]) if len(columns) > 6 else False
    return [
        Node(
            name=f"node-{number:02}-{index:03}",
            group=number - 1,
            total_memory=float(memory),
            free_memory=memory,
            total_disk=float(disk),
            free_disk=disk,
            total_cpus=cpus,
            spindles=spindles,
            exclusive=exclusive,
            master=number == 1 and index == 1,
        )
        for index in range(1, count + 1)
    ]


def _boolean(text: str) -> bool:
    if text not in ("True", "False"):
        raise LoadError(f"exclusive storage: cannot parse string '{text}'")
    return text == "True"
