"""What a verb does to a disk: an ordered list of steps, each one hook on one node.

A disk template plans steps on the master, purely; the core records the undo of each, then carries
them out. Verbs and the nodes that each is given, the instance's primary node first:

``create``
    make the devices on these nodes; one whose parameters have ``adopt`` is made of what is there
``open``
    make the disk usable on the first node; the others receive what is written there
``share``
    let the second node use the disk as well while the first one does, as during a migration
``promote``
    let the first node write to a disk whose other nodes may be lost (``force``: even if its copy
    may be old)
``demote``
    end writing on these nodes; copies go on being received, so this is not ``close``
``close``
    stop using the disk on these nodes; the data stay
``grow``
    make the devices ``size`` MiB large
``snapshot``
    copy the disk as it is now, under ``name``, on the first node
``remove``
    remove the devices and their data from these nodes
``wrap``
    make the disk around a device of the first node that becomes one of its children, and its data
    are the disk's; on the other nodes make all of it. Only for templates that promise ``wraps``
``unwrap``
    take the disk away from around this child on the first node, where its data stay, and remove it
    from the others
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Literal

from ganeti_core.lazy_dataclass import dataclass

from .data import DiskSpec, JsonDict, NodeRef

Verb = Literal[
    "create", "open", "share", "promote", "demote", "close", "grow", "snapshot", "remove",
    "wrap", "unwrap"]

ChildSteps = Callable[[Verb, DiskSpec, tuple[NodeRef, ...], JsonDict], "list[DiskStep]"]
"""Plan a verb for a child, as the child's own template wants it."""


@dataclass(frozen=True)
class DiskStep:
    """One call of a hook of the disk's template on one node.

    :param node: uuid of the node
    :param disk: the device as that node sees it (`DiskSpec.on`); it may be a child
    :param arguments: the hook's arguments besides ``ctx`` and ``disk``
    :param undo: the hook that takes the step back, on the same node and device; empty if nothing
        has to be taken back, or can be
    :param required: False if the verb goes on, with a warning, when this step fails
    """

    node: str
    hook: str
    disk: DiskSpec
    arguments: JsonDict = field(default_factory=dict)
    undo: str = ""
    undo_arguments: JsonDict = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True)
class _Plain:
    """The plain order of a verb.

    Building goes up: children before what lies on them, copies before the node that writes.
    Taking apart goes down.

    :param between: which of the given nodes act: from the one to before the other
    :param takes: the hook's arguments, from those of the verb
    """

    hook: str
    undo: str = ""
    builds: bool = True
    between: tuple[int, int | None] = (0, None)
    takes: Callable[[JsonDict], JsonDict] = lambda arguments: {}
    undo_takes: Callable[[JsonDict], JsonDict] = lambda arguments: {}
    copies_required: bool = True


def _only(name: str) -> Callable[[JsonDict], JsonDict]:
    return lambda arguments: {name: arguments[name]}


_FIRST = (0, 1)
_SECOND = (1, 2)
_PLAIN: dict[Verb, _Plain] = {
    "create": _Plain("create", undo="remove"),
    "open": _Plain("open", undo="close", takes=lambda _: {"exclusive": True},
                   copies_required=False),
    "share": _Plain("open", undo="close", between=_SECOND, takes=lambda _: {"exclusive": False}),
    "promote": _Plain("open", undo="close", between=_FIRST, takes=lambda _: {"exclusive": True}),
    "demote": _Plain("close", builds=False),
    "close": _Plain("close", builds=False),
    "grow": _Plain("grow", takes=_only("size")),
    "snapshot": _Plain("snapshot", undo="remove_snapshot", between=_FIRST, takes=_only("name"),
                       undo_takes=_only("name")),
    "remove": _Plain("remove", builds=False),
}


_ADOPTING = _Plain("adopt", undo="give_back")


def plain_steps(
    verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
    child_steps: ChildSteps,
) -> list[DiskStep]:
    """Plan the plain order of a verb: its hook on each node, children first or last.

    A template that needs nothing else has no hook ``steps`` and gets this one.

    :param child_steps: plans the same verb for a child
    """
    plain = _PLAIN[verb]
    if verb == "create" and disk.params.get("adopt"):
        plain = _ADOPTING
    own = [DiskStep(node.uuid, plain.hook, disk.on(node.uuid), plain.takes(arguments), plain.undo,
                    plain.undo_takes(arguments), required=at == 0 or plain.copies_required)
           for at, node in enumerate(nodes[slice(*plain.between)])]
    below = [step for child in disk.children
             for step in child_steps(verb, child, nodes, arguments)]
    return [*below, *reversed(own)] if plain.builds else [*own, *below]
