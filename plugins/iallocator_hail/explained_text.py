"""Explanations for people: what is alike is told once, with how many nodes it holds for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from .explained_places import Explanation

_SHOWN: Final = 5
"""How many places, or names, are told one by one."""
_INSTANCES: Final = 8
"""How many instances are told in full."""
_GROUPS: Final = 3
"""Up to how many groups are told what makes the score of their best place."""


def as_text(explanation: Explanation) -> str:
    """An explanation in lines."""
    lines = [f"{explanation['type']}: score now {explanation['score']:.8f}"]
    lines += [f"Note: {remark}" for remark in explanation["remarks"]]
    # Those that stay are what the question is about.
    told = sorted(explanation["instances"], key=lambda item: item.get("outcome") != "failed")
    for instance in told[:_INSTANCES]:
        lines += _instance_lines(instance)
    lines += _rest_lines(told[_INSTANCES:])
    return "\n".join(lines)


def _instance_lines(instance: Explanation) -> list[str]:
    lines = [f"Instance {instance['name']}{_fate(instance)}"]
    lines += [f"  step: {step}" for step in instance.get("steps", [])]
    groups = instance.get("groups", [])
    for group in groups:
        lines += _group_lines(group, len(groups) <= _GROUPS)
    lines += _why_lines(instance.get("not_considered", {}))
    lines += _why_lines(instance.get("groups_not_considered", {}))
    return lines + place_lines(instance.get("moves", []))


def _fate(instance: Explanation) -> str:
    """What became of an instance that had to move."""
    if "outcome" not in instance:
        return ""
    if instance["outcome"] == "failed":
        return f" stays on {'/'.join(instance['from'])}: {instance['reason']}"
    return f" moves from {'/'.join(instance['from'])} to {'/'.join(instance['to'])}"


def _rest_lines(instances: Sequence[Explanation]) -> list[str]:
    """How many more instances there are with each outcome."""
    fates = Counter(
        f"stay: {item['reason']}" if item.get("outcome") == "failed" else
        "move" if "outcome" in item else "are told only as data (--json)"
        for item in instances
    )
    return [f"{count} more instances {fate}" for fate, count in fates.most_common()]


def _why_lines(reasons: Mapping[str, str]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by_reason.setdefault(why, []).append(name)
    return [f"  {_some(names)}: {why}" for why, names in by_reason.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _group_lines(group: Explanation, in_full: bool) -> list[str]:
    lines = [f" Group {group['group']} ({group['alloc_policy']})"]
    if "error" in group:
        return [*lines, f"  error: {group['error']}"]
    if group["missing_networks"]:
        lines.append(f"  lacks networks: {', '.join(group['missing_networks'])}")
    lines += place_lines(group["places"])
    lines += [f"  {text}" for text in group["redundancy"]]
    chosen = group["chosen"]
    if chosen is None:
        return [*lines, f"  {group['verdict']}"]
    lines.append(f"  best: {'/'.join(chosen['nodes'])} with {chosen['score']}, made of")
    made = sorted(chosen["components"].items(), key=lambda item: -item[1])
    if not in_full:
        made = made[:1]
    return lines + [f"    {name:<24} {value:.8f}" for name, value in made if value]


def place_lines(places: Iterable[Explanation]) -> list[str]:
    """The best places of each kind of move with their scores; failures with their number."""
    good: dict[str, list[tuple[float, str]]] = {}
    bad: dict[tuple[str, str], list[str]] = {}
    for place in places:
        how, where = place.get("move", ""), "/".join(place["nodes"])
        if "failure" in place:
            bad.setdefault((how, place["failure"]), []).append(where)
        else:
            good.setdefault(how, []).append((place["score"], where))
    lines = []
    for how, found in good.items():
        found.sort()
        lines += [f"  {_after(how)}{where}: {score:.8f}" for score, where in found[:_SHOWN]]
        if len(found) > _SHOWN:
            worst = found[-1][0]
            lines.append(f"  {_after(how)}{len(found) - _SHOWN} more, up to {worst:.8f}")
    for (how, failure), names in bad.items():
        where = counted(len(names), "pair" if "/" in names[0] else "node")
        lines.append(f"  {_after(how)}{failure} on {where}: {_some(names)}")
    return lines


def counted(number: int, what: str) -> str:
    """So many things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _after(how: str) -> str:
    return f"{how} " if how else ""
