"""The calls that a master makes to a node: plain data, so that an undo log can hold them.

Most calls are hooks of plugins (`hook_call`); `SERVICES` lists what a node does besides. All
changing calls are idempotent by contract: one that was lost may be made again.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.plugin_api.kinds import Kind

HOOK = "hook"


@dataclass(frozen=True)
class Service:
    """How a service of the node behaves.

    `changes`: it changes the node, so only a master candidate may ask and the call is recorded.
    `timeout`: seconds. `any_node`: harmless enough for certificates of plain nodes.
    `names_caller`: its argument ``caller`` is the uuid of the node that calls, by its certificate.
    """

    changes: bool = False
    timeout: float = 30.0
    any_node: bool = False
    names_caller: bool = False


SERVICES: dict[str, Service] = {
    "node.ping": Service(timeout=10.0, any_node=True),
    "node.facts": Service(any_node=True),
    "node.installed": Service(timeout=60.0),
    "node.restart": Service(changes=True),
    "node.epoch": Service(timeout=10.0, any_node=True),
    "node.members": Service(timeout=10.0, any_node=True),
    "node.collectors": Service(timeout=10.0),
    "node.survey": Service(timeout=60.0),
    "node.verify": Service(timeout=120.0),
    "node.delay": Service(timeout=3600.0),
    "node.trace": Service(timeout=10.0),
    "node.ssconf": Service(changes=True),
    "node.scripts": Service(changes=True, timeout=600.0),
    "node.recover": Service(changes=True, timeout=120.0),
    "node.leave": Service(changes=True),
    "node.stop_master": Service(timeout=10.0),
    "node.start_master": Service(timeout=60.0),
    "node.crypto": Service(changes=True),
    "node.reload": Service(changes=True, timeout=120.0),
    "node.restricted": Service(changes=True, timeout=600.0),
    "node.power": Service(changes=True, timeout=60.0),
    "node.hosts_file": Service(changes=True),
    "node.master_ip": Service(changes=True, timeout=30.0),
    "console.open": Service(timeout=30.0),
    "disk.left_behind": Service(timeout=30.0, any_node=True, names_caller=True),
    "disk.give": Service(changes=True, timeout=60.0),
    "disk.end": Service(changes=True, timeout=60.0),
    "export.list": Service(timeout=10.0),
    "export.config": Service(timeout=10.0),
    "export.sizes": Service(timeout=10.0),
    "export.begin": Service(changes=True, timeout=300.0),
    "export.receive": Service(changes=True, timeout=60.0),
    "export.finish": Service(changes=True, timeout=300.0),
    "export.abort": Service(changes=True, timeout=300.0),
    "export.remove": Service(changes=True, timeout=300.0),
    "export.give": Service(changes=True, timeout=60.0),
    "export.end": Service(changes=True, timeout=60.0),
    "helper.check": Service(timeout=10.0),
    "helper.image": Service(changes=True, timeout=3600.0),
    "helper.forget": Service(changes=True, timeout=60.0),
    # These check the epoch of their argument themselves: recording each would double its fsyncs.
    "replica.position": Service(timeout=10.0),
    "replica.append": Service(timeout=10.0),
    "replica.copy": Service(timeout=60.0),
    "replica.mark": Service(timeout=5.0),
    "replica.promise": Service(timeout=5.0),
    "call.outcome": Service(timeout=10.0),
    "call.feedback": Service(timeout=5.0),
}


@dataclass(frozen=True)
class Call:
    """One call.

    :param service: ``hook`` or a name of `SERVICES`
    :param args: plain JSON
    :param subject: uuid of the object concerned; a node serialises changing calls per subject
    :param timeout: seconds that the node may take
    """

    service: str
    args: dict[str, Any] = field(default_factory=dict)
    subject: str = ""
    changes: bool = False
    timeout: float = 30.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """:raises TypeError: `data` is not what `to_dict` made"""
        return cls(**data)

    @property
    def title(self) -> str:
        """What people call it: ``disk_templates file: create``, ``node.facts``."""
        if self.service != HOOK:
            return self.service
        return f"{self.args.get('kind')} {self.args.get('driver')}: {self.args.get('hook')}"


def service_call(
    service: str, args: dict[str, Any] | None = None, *, subject: str = "",
    timeout: float | None = None,
) -> Call:
    """Build a call of a service that is no hook.

    :raises KeyError: there is no such service
    """
    known = SERVICES[service]
    return Call(service, args or {}, subject, known.changes,
                known.timeout if timeout is None else timeout)


def hook_call(
    kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "",
    call_timeout: float | None = None, settings: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Call:
    """Build a call of a plugin's hook, whose contract says whether it changes and how long it may.

    `settings` become the hook's `ctx.config`. The limit is called `call_timeout` because a hook
    may have an argument `timeout` of its own, that is then added to the contract's.

    :raises TypeError: the arguments are not those of the contract
    """
    function = kind.hooks()[hook]
    expected = codec.hook_types(function).keys() - {"return"}
    if arguments.keys() != expected:
        raise TypeError(f"{kind.name}: {hook} takes {sorted(expected)}, not {sorted(arguments)}")
    where = kind.hook_where(hook)
    if call_timeout is None:
        own = arguments.get("timeout")
        call_timeout = where.timeout + (own if isinstance(own, int | float) else 0.0)
    args = {
        "kind": kind.name, "driver": driver, "hook": hook,
        "arguments": codec.encode(arguments), "settings": codec.encode(settings or {}),
    }
    return Call(HOOK, args, subject, where.changes, call_timeout)


def hook_answer(kind: Kind[Any], driver: str, hook: str, answer: object) -> Any:
    """Decode what a call of a plugin's hook has returned, into the type that its contract names.

    :raises PluginError: it does not fit the contract
    """
    try:
        return codec.decode_result(kind.hooks()[hook], answer)
    except TypeError as exc:
        raise PluginError.in_hook(f"{kind.name} {driver}: {hook}", str(exc)) from exc


def hook_answers(
    kind: Kind[Any], driver: str, hook: str, answers: Mapping[str, object]
) -> dict[str, Any | GanetiError]:
    """As `hook_answer`, of several nodes (by uuid): each failure is that node's answer."""
    found: dict[str, Any | GanetiError] = {}
    for uuid, answer in answers.items():
        try:
            found[uuid] = answer if isinstance(answer, GanetiError) else hook_answer(
                kind, driver, hook, answer)
        except PluginError as exc:
            found[uuid] = exc
    return found
