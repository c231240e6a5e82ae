"""What a driver finds of its own node for ``gnt-cluster verify``, with codes that scripts know."""

from __future__ import annotations

from ganeti_core.lazy_dataclass import dataclass


@dataclass(frozen=True)
class NodeProblem:
    """Something that is wrong with a node, under a code of its own.

    :param message: what is wrong, and what to do
    :param code: one of those of ``gnt-cluster verify --error-codes``; an unknown one, or none,
        counts as the code that all problems of drivers have
    """

    message: str
    code: str = ""


@dataclass(frozen=True)
class Agreement:
    """A value that has to be the same on all nodes of a group; alone it is no problem.

    :param subject: what it is the value of, such as ``version of the kernel module x``; values of
        one driver with equal subjects are compared, of one node, too
    :param code: one of those of ``gnt-cluster verify --error-codes``; what is about a group is
        reported once, other codes for each node
    :param margin: by which part of the least one numbers may differ: 0.01 is a hundredth
    :param exclusive: only nodes with ``exclusive_storage`` are compared
    :param broken: nodes that differ are an error, else a warning
    """

    subject: str
    value: float | str
    code: str
    margin: float = 0.0
    exclusive: bool = False
    broken: bool = False
