"""Instance policies as the cluster's JSON documents tell them."""

from __future__ import annotations

from ..records import Policy, Spec
from .json_reader import Fields, Json, Reader, as_float, as_int, as_object, list_of
from .templates import Templates

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


def policy_with(templates: Templates) -> Reader[Policy]:
    """A whole policy that may name such templates."""

    def read(value: Json) -> Policy:
        fields = Fields("IPolicy", as_object(value))
        names = fields.get("disk-templates", list_of(templates.read))
        return Policy(
            pairs=fields.get("minmax", list_of(_pair)),
            std=fields.get("std", as_spec),
            templates=names,
            vcpu_ratio=fields.get("vcpu-ratio", as_float),
            spindle_ratio=fields.get("spindle-ratio", as_float),
            doubtful=not all(map(templates.knows, names)),
        )

    return read
