"""The text format: sections of `|`-separated lines, parted by empty lines.

Sections in order: groups, nodes, instances, cluster tags, instance policies (may be absent).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ..errors import LoadError
from ..records import (
    ALLOC_POLICIES,
    DEFAULT_POLICY,
    STATUSES,
    TEMPLATES,
    Description,
    Disk,
    Group,
    Instance,
    Node,
    Policy,
    Spec,
)
from .haskell import read_float, read_int, show_list, show_string


def load_text(path: str) -> Description:
    """Read a file in the text format.

    :raises LoadError: it cannot be opened or is malformed.
    """
    return parse_text(read_file(path))


def read_file(path: str) -> str:
    """The contents of a file of UTF-8 text.

    :raises LoadError: with the reason in the words of Ganeti's programs.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        raise LoadError(
            f"{path}: openFile: does not exist (No such file or directory)"
        ) from None
    except PermissionError:
        raise LoadError(f"{path}: openFile: permission denied (Permission denied)") from None
    except IsADirectoryError:
        raise LoadError(f"{path}: openFile: inappropriate type (is a directory)") from None
    except UnicodeDecodeError:
        raise LoadError(
            f"{path}: hGetContents: invalid argument (invalid byte sequence)"
        ) from None
    except (OSError, ValueError) as exc:
        raise LoadError(f"{path}: openFile: failed ({exc})") from exc


def parse_text(text: str) -> Description:
    """Make a description from the text format.

    :raises LoadError: a line is malformed or names something unknown.
    """
    sections = _sections(text)
    if len(sections) < 4:
        raise LoadError(
            "Invalid format of the input file: "
            f"{len(sections)} sections instead of 4 or more"
        )
    groups = [_group(line) for line in sections[0]]
    by_uuid = {group.uuid: index for index, group in enumerate(groups)}
    nodes = [_node(line, by_uuid) for line in sections[1]]
    by_name = {node.name: index for index, node in enumerate(nodes)}
    instances = tuple(_instance(line, by_name) for line in sections[2])
    policies = _policies(sections[4] if len(sections) > 4 else [], groups)
    groups = [
        dataclasses.replace(group, policy=policies.get(index, DEFAULT_POLICY))
        for index, group in enumerate(groups)
    ]
    return Description(
        groups=tuple(groups),
        nodes=tuple(nodes),
        instances=instances,
        tags=tuple(sections[3]),
        policy=policies.get(None, DEFAULT_POLICY),
    )


def _sections(text: str) -> list[list[str]]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    sections: list[list[str]] = []
    while lines:
        if "" not in lines:
            sections.append(lines)
            break
        end = lines.index("")
        sections.append(lines[:end])
        lines = lines[end + 1 :]
        if not lines:
            sections.append([])
    return sections


def _items(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _incomplete(kind: str, columns: Sequence[str]) -> LoadError:
    return LoadError(f"Invalid/incomplete {kind} data: '{show_list(columns)}'")


def _choice(value: str, values: Iterable[str], kind: str) -> str:
    if value not in values:
        raise LoadError(f"Invalid string value for type {kind}: {show_string(value)}")
    return value


def _group(line: str) -> Group:
    columns = line.split("|")
    if len(columns) < 4:
        raise _incomplete("group", columns)
    name, uuid, policy, tags = columns[:4]
    return Group(
        name=name,
        uuid=uuid,
        alloc_policy=_choice(policy, ALLOC_POLICIES, "AllocPolicy"),
        tags=_items(tags),
        networks=_items(columns[4]) if len(columns) > 4 else (),
    )


_NODE_DEFAULTS = ("1", "", "N", "0", "1", "1.0")


def _node(line: str, groups: Mapping[str, int]) -> Node:
    columns = line.split("|")
    if len(columns) < 9:
        raise _incomplete("node", columns)
    columns += _NODE_DEFAULTS[len(columns) - 9 :] if len(columns) < 15 else ()
    name, total_memory, node_memory, free_memory, total_disk, free_disk = columns[:6]
    cpus, flag, group, spindles, tags, exclusive, free_spindles, own_cpus, speed = columns[6:15]
    if group not in groups:
        raise LoadError(f"Unknown group '{group}' for node {name}")
    if "?" in columns[1:7]:
        return Node(
            name=name, group=groups[group], offline=True, spindles=0, node_cpus=0, cpu_speed=1.0
        )
    return Node(
        name=name,
        group=groups[group],
        total_memory=read_float(name, total_memory),
        node_memory=read_int(name, node_memory),
        free_memory=read_int(name, free_memory),
        total_disk=read_float(name, total_disk),
        free_disk=read_int(name, free_disk),
        total_cpus=read_float(name, cpus),
        node_cpus=read_int(name, own_cpus),
        cpu_speed=read_float(name, speed),
        spindles=read_int(name, spindles),
        free_spindles=read_int(name, free_spindles),
        exclusive=_exclusive(exclusive, name),
        offline=flag == "Y",
        master=flag == "M",
        tags=_items(tags),
    )


def _exclusive(value: str, name: str) -> bool:
    if value not in ("Y", "N"):
        raise LoadError(f"Invalid exclusive_storage value for node '{name}': {value}")
    return value == "Y"


def _yes_no(value: str, what: str, name: str) -> bool:
    if value not in ("Y", "N"):
        raise LoadError(f"Invalid {what} value '{value}' for {name}")
    return value == "Y"


_INSTANCE_DEFAULTS = ("1", "-", "N")


def _instance(line: str, nodes: Mapping[str, int]) -> Instance:
    columns = line.split("|")
    if len(columns) < 10:
        raise _incomplete("instance", columns)
    columns += _INSTANCE_DEFAULTS[len(columns) - 10 :] if len(columns) < 13 else ()
    name, memory, disk, vcpus, status, balance, primary, secondary, template, tags = columns[:10]
    spindle_use, spindles, forthcoming = columns[10:13]
    first = _lookup(nodes, name, primary)
    second = _lookup(nodes, name, secondary) if secondary else -1
    size = read_int(name, disk)
    disks = (Disk(size, None if spindles == "-" else read_int(name, spindles)),)
    if first == second:
        raise LoadError(
            f"Instance {name} has same primary and secondary node - {primary}"
        )
    return Instance(
        name=name,
        memory=read_int(name, memory),
        disk=size,
        vcpus=read_int(name, vcpus),
        template=_choice(template, TEMPLATES, "DiskTemplate"),
        status=_choice(status, STATUSES, "InstanceStatus"),
        primary=first,
        secondary=second,
        disks=disks,
        tags=_items(tags),
        spindle_use=read_int(name, spindle_use),
        auto_balance=_yes_no(balance, "auto_balance", f"instance {name}"),
        forthcoming=_yes_no(forthcoming, "forthcoming", f"instance {name}"),
    )


def _lookup(nodes: Mapping[str, int], instance: str, node: str) -> int:
    if node not in nodes:
        raise LoadError(f"Unknown node '{node}' for instance {instance}")
    return nodes[node]


def _policies(lines: Sequence[str], groups: Sequence[Group]) -> dict[int | None, Policy]:
    found: dict[int | None, Policy] = {}
    for line in lines:
        columns = line.split("|")
        if len(columns) < 6:
            raise LoadError(f"Invalid ipolicy data: '{show_list(columns)}'")
        owner, policy = columns[0], _policy(columns[0], columns)
        found[_owner(owner, groups) if owner else None] = policy
    return found


def _owner(owner: str, groups: Sequence[Group]) -> int:
    hits = [index for index, group in enumerate(groups) if owner in (group.name, group.uuid)]
    if len(hits) != 1:
        raise LoadError(f"Wrong number of elems found with name {owner}")
    return hits[0]


def _policy(owner: str, columns: Sequence[str]) -> Policy:
    std = _spec(f"{owner}/stdspec", columns[1])
    texts = columns[2].split(";") if columns[2] else []
    if len(texts) % 2:
        raise LoadError(f"Odd number of min/max specs for {owner}")
    specs = [
        _spec(f"{owner}/{'maxspec' if index % 2 else 'minspec'}", text)
        for index, text in enumerate(texts)
    ]
    return Policy(
        pairs=tuple(zip(specs[::2], specs[1::2], strict=True)),
        std=std,
        templates=tuple(_choice(t, TEMPLATES, "DiskTemplate") for t in _items(columns[3])),
        vcpu_ratio=read_float(f"{owner}/vcpu_ratio", columns[4]),
        spindle_ratio=read_float(f"{owner}/spindle_ratio", columns[5]),
    )


_SPEC_FIELDS = ("memory", "cpucount", "disksize", "diskcount", "niccount", "spindleuse")


def _spec(owner: str, text: str) -> Spec:
    columns = _items(text)
    if len(columns) < 6:
        raise LoadError(f"Invalid ispec data for {owner}: {show_list(columns)}")
    return Spec(
        *(
            read_int(f"{owner}/{field}", column)
            for field, column in zip(_SPEC_FIELDS, columns, strict=False)
        )
    )
