"""Short names: what all names of a cluster end with may be left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import LoadError
from ..records import Description


def common_suffix(description: Description) -> str:
    """The longest end, from a dot on, that all node and instance names share."""
    names = [node.name for node in description.nodes]
    names += [instance.name for instance in description.instances]
    if not names:
        return ""
    first = names[0]
    best = ""
    start = len(first)
    while (start := first.rfind(".", 0, start)) >= 0:
        suffix = first[start:]
        if not all(name.endswith(suffix) for name in names):
            break
        best = suffix
    return best


def aliases(description: Description, names: Iterable[str]) -> list[str]:
    """Names without the common suffix."""
    suffix = common_suffix(description)
    return [name.removesuffix(suffix) for name in names]


def find_name(description: Description, names: Sequence[str], wanted: str) -> int:
    """The position of the one name that is equal in full or short.

    :raises LoadError: there is none, or several.
    """
    shorts = aliases(description, names)
    hits = [i for i, name in enumerate(names) if wanted in (name, shorts[i])]
    if len(hits) != 1:
        raise LoadError(f"Wrong number of elems found with name {wanted}")
    return hits[0]
