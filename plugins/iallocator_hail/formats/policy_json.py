"""Instance policies as the cluster's JSON documents tell them."""

from __future__ import annotations

from ..records import TEMPLATES, Policy, Spec
from .json_reader import Fields, Json, as_float, as_int, as_object, choice, list_of

as_template = choice(TEMPLATES, "Ganeti.Types.DiskTemplate")

_SPEC_KEYS = (
    "memory-size",
    "cpu-count",
    "disk-size",
    "disk-count",
    "nic-count",
    "spindle-use",
)


def as_spec(value: Json) -> Spec:
    """A size of instance."""
    fields = Fields("ISpec", as_object(value))
    return Spec(*(fields.get(key, as_int) for key in _SPEC_KEYS))


def _pair(value: Json) -> tuple[Spec, Spec]:
    fields = Fields("MinMaxISpecs", as_object(value))
    return fields.get("min", as_spec), fields.get("max", as_spec)


def as_policy(value: Json) -> Policy:
    """A whole policy."""
    fields = Fields("IPolicy", as_object(value))
    return Policy(
        pairs=fields.get("minmax", list_of(_pair)),
        std=fields.get("std", as_spec),
        templates=fields.get("disk-templates", list_of(as_template)),
        vcpu_ratio=fields.get("vcpu-ratio", as_float),
        spindle_ratio=fields.get("spindle-ratio", as_float),
    )


