"""What an OS definition declares of its parameters: defaults, and which are private or secret."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.opcodes.cluster import ClusterSetParams
from ganeti_core.opcodes.instance import (
    InstanceCreate,
    InstanceMultiAlloc,
    InstanceReinstall,
    InstanceSetParams,
)
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.plugins import PluginHost

    Given = tuple[str, Any, Any]

SECRET, PRIVATE = "x-secret", "x-private"
_INSTEAD = {SECRET: "--os-parameters-secret", PRIVATE: "--os-parameters-private"}


def declared(host: PluginHost, system: str) -> Mapping[str, Any]:
    """The schema of each parameter by its name.

    Empty where the master does not have the definition: its nodes may.

    :param system: the definition's name, with or without a variant
    """
    name = system.partition("+")[0]
    if not name or not host.has(OS_DEFINITIONS, name):
        return {}
    try:
        properties: Mapping[str, Any] = host.describe(OS_DEFINITIONS, name).parameters.get(
            "properties", {})
    except OpPrereqError:
        return {}  # it is disabled or broken: whoever uses it is refused with the reason
    return properties


def defaults(host: PluginHost, system: str) -> dict[str, str]:
    """The values of parameters that nobody sets; an empty text is none."""
    return {name: str(schema["default"]) for name, schema in declared(host, system).items()
            if schema.get("default")}


def unshown(host: PluginHost, system: str) -> set[str]:
    """The parameters that are private or secret."""
    return {name for name, schema in declared(host, system).items()
            if schema.get(SECRET) or schema.get(PRIVATE)}


def check_given(
    host: PluginHost, system: str, public: Mapping[str, Any] | None,
    private: Mapping[str, Any] | None,
) -> None:
    """Check that no parameter is given in a way that shows or stores what must not be.

    :raises OpPrereqError: one is; says which option it needs (`ECODE_INVAL`)
    """
    schemas = declared(host, system) if public or private else {}
    for given, kinds in ((public, (SECRET, PRIVATE)), (private, (SECRET,))):
        for name in given or ():
            for kind in kinds:
                if schemas.get(name, {}).get(kind):
                    raise OpPrereqError(
                        f"The parameter '{name}' of the OS {system.partition('+')[0]} is "
                        f"{kind.removeprefix('x-')}: give it with {_INSTEAD[kind]}", ECODE_INVAL)


def check_apart(*given: Mapping[str, Any] | None) -> None:
    """See that no parameter is given in two ways, of which only one could count.

    :param given: public, private and secret parameters
    :raises OpPrereqError: one is (`ECODE_INVAL`)
    """
    times = Counter(name for names in given for name in names or ())
    if repeated := sorted(name for name, count in times.items() if count > 1):
        raise OpPrereqError(
            f"OS parameters repeated multiple times: {', '.join(repeated)}", ECODE_INVAL)


def check_submitted(host: PluginHost, snapshot: Snapshot, job: Sequence[OpCode]) -> None:
    """Check a job before it is written down, where everybody could read what is to be secret.

    :raises OpPrereqError: as `check_given`
    """
    for op in job:
        for system, public, private in _given(op, snapshot):
            check_given(host, system, *(value if isinstance(value, dict) else None
                                        for value in (public, private)))


def _given(op: OpCode, snapshot: Snapshot) -> Iterator[Given]:
    """The OS definitions that an opcode names, with their public and private parameters."""
    match op:
        case InstanceCreate():
            yield op.os_type or "", op.osparams, op.osparams_private
        case InstanceMultiAlloc():
            for one in op.instances:
                if isinstance(one, dict) and isinstance(system := one.get("os_type"), str):
                    yield system, one.get("osparams"), one.get("osparams_private")
        case InstanceReinstall():
            system = op.os_type or _present(snapshot, op.instance_name)
            yield system, op.osparams, op.osparams_private
        case InstanceSetParams():
            system = op.os_name or _present(snapshot, op.instance_name)
            yield system, op.osparams, op.osparams_private
        case ClusterSetParams():
            for system, given in (op.osparams or {}).items():
                yield system, given, None
            for system, given in (op.osparams_private_cluster or {}).items():
                yield system, None, given
        case _:
            return


def _present(snapshot: Snapshot, name: str) -> str:
    try:
        return snapshot.instance(name).os
    except OpPrereqError:
        return ""  # the job will say that there is no such instance
