"""What may stand at a place of a command line, as far as a shell can offer it."""

from __future__ import annotations

from ganeti_core.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Words:
    """Names of a `kind` that the master knows, or one of `choices`, or a path; else anything."""

    kind: str = ""
    choices: tuple[str, ...] = ()
    path: str = ""
    """``file`` or ``folder``."""


ANYTHING = Words()
FILE = Words(path="file")
FOLDER = Words(path="folder")
ALLOCATOR = Words("allocator")
EXPORT = Words("export")
FILTER = Words("filter")
GROUP = Words("group")
INSTANCE = Words("instance")
JOB = Words("job")
NETWORK = Words("network")
NODE = Words("node")
NODE_PAIR = Words("node-pair")
"""A node, or two with a colon between them."""
OS = Words("os")
PROVIDER = Words("provider")
TEMPLATE = Words("template")
UNFINISHED_JOB = Words("unfinished-job")


def fields_of(resource: str) -> Words:
    """Fields of a listing, separated by commas."""
    return Words(f"fields-{resource}")


def one_of(*choices: str) -> Words:
    return Words(choices=choices)
