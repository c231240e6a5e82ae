"""Writing descriptions in the text format (see `text`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ..records import TEMPLATES, Description, Group, Instance, Node, Policy, Spec
from .haskell import show_float


def dump_text(description: Description) -> str:
    """Write a description in the text format.

    The format knows Ganeti's own disk templates only: others become what they behave like.
    """
    kinds = {name: name for name in TEMPLATES}
    kinds.update((item.template, item.kind) for item in description.instances)
    sections = (
        map(_group_line, description.groups),
        (_node_line(node, description.groups) for node in description.nodes),
        (_instance_line(inst, description.nodes) for inst in description.instances),
        description.tags,
        (
            _policy_line("", description.policy, kinds),
            *(_policy_line(group.name, group.policy, kinds) for group in description.groups),
        ),
    )
    texts = ["".join(line + "\n" for line in section) for section in sections]
    return "\n".join(texts)


def _columns(*values: object) -> str:
    return "|".join(map(str, values))


def _group_line(group: Group) -> str:
    tags, networks = ",".join(group.tags), ",".join(group.networks)
    return _columns(group.name, group.uuid, group.alloc_policy, tags, networks)


def _node_line(node: Node, groups: Sequence[Group]) -> str:
    return _columns(
        node.name,
        f"{node.total_memory:.0f}",
        node.node_memory,
        node.free_memory,
        f"{node.total_disk:.0f}",
        node.free_disk,
        f"{node.total_cpus:.0f}",
        "Y" if node.offline else "M" if node.master else "N",
        groups[node.group].uuid,
        node.spindles,
        ",".join(node.tags),
        _flag(node.exclusive),
        node.free_spindles,
        node.node_cpus,
        show_float(node.cpu_speed),
    )


def _flag(value: bool) -> str:
    return "Y" if value else "N"


def _instance_line(instance: Instance, nodes: Sequence[Node]) -> str:
    name: Callable[[int], str] = lambda index: nodes[index].name if index >= 0 else ""  # noqa: E731 - one use
    spindles = instance.total_spindles
    return _columns(
        instance.name,
        instance.memory,
        instance.disk,
        instance.vcpus,
        instance.status,
        _flag(instance.auto_balance),
        name(instance.primary),
        name(instance.secondary),
        instance.kind,
        ",".join(instance.tags),
        instance.spindle_use,
        "-" if spindles is None else spindles,
        _flag(instance.forthcoming),
    )


def _policy_line(owner: str, policy: Policy, kinds: Mapping[str, str]) -> str:
    def spec(value: Spec) -> str:
        return ",".join(map(str, dataclasses.astuple(value)))

    # A name that no instance has is left out.
    templates = dict.fromkeys(kinds[name] for name in policy.templates if name in kinds)
    return _columns(
        owner,
        spec(policy.std),
        ";".join(spec(value) for pair in policy.pairs for value in pair),
        ",".join(templates),
        show_float(policy.vcpu_ratio),
        show_float(policy.spindle_ratio),
    )
