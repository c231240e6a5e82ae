"""Values of the contracts as plain JSON and back: what crosses the wire between master and node.

`encode` goes by the value, `decode` by the annotations of the contract. What JSON would change
silently is refused or restored: bytes and keys that are not strings are an error, a tuple or a
frozen set comes back as one because its annotation says so. Keys that this side does not know are
ignored and missing ones take the default, so that versions which differ by an addition can talk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import cattrs

from ganeti_core.lazy_dataclass import make_all


def encode(value: object) -> Any:
    """Turn `value` into what JSON can hold; sets become sorted lists, paths strings.

    :raises TypeError: JSON has no form for it, or would change it unseen
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"JSON has no form for the number {value}")
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, Mapping):
        return {_key(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(encode(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent: {value!r:.100}")


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


@cache
def prepare() -> None:
    """Make now what the first calls of hooks would make: for a process that forks others."""
    for cls in make_all(__package__ or ""):
        _field_names(cls)
        with suppress(TypeError, NameError, cattrs.StructureHandlerNotFoundError):
            _converter().get_structure_hook(cls)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a mapping must be a string, not {key!r:.100}")
    return key


def decode(annotation: Any, data: object) -> Any:
    """Build a value of the type `annotation` from what `encode` made.

    :raises TypeError: `data` does not fit; the message says where
    """
    try:
        return _converter().structure(data, annotation)
    except (cattrs.BaseValidationError, cattrs.StructureHandlerNotFoundError) as exc:
        problems = "; ".join(cattrs.transform_error(exc, format_exception=_problem))
        raise TypeError(f"not a {_name(annotation)}: {problems}") from exc
    except (TypeError, ValueError, AttributeError) as exc:
        raise TypeError(f"not a {_name(annotation)}: {exc}") from exc


def decode_arguments(
    hook: Callable[..., Any], data: Mapping[str, object], kept: Collection[str] = ()
) -> dict[str, Any]:
    """Decode the arguments of a call of a contract's `hook`; `ctx` never travels.

    :param kept: further arguments that do not travel: functions that the master passes
    :raises TypeError: one is missing or does not fit; unknown ones, of a newer caller, are dropped
    """
    hints = hook_types(hook)
    if missing := hints.keys() - data.keys() - {"return", *kept}:
        raise TypeError(f"{hook.__name__} was called without {', '.join(sorted(missing))}")
    return {name: _argument(hook, name, hints[name], item)
            for name, item in data.items() if name in hints and name != "return"}


def _argument(hook: Callable[..., Any], name: str, annotation: Any, data: object) -> Any:
    try:
        return decode(annotation, data)
    except TypeError as exc:
        raise TypeError(f"{hook.__name__}: argument {name} is {exc}") from exc


def decode_result(hook: Callable[..., Any], data: object) -> Any:
    """Decode what a call of a contract's `hook` returned.

    :raises TypeError: it does not fit the contract
    """
    try:
        return decode(hook_types(hook).get("return", Any), data)
    except TypeError as exc:
        raise TypeError(f"{hook.__name__} returned what is {exc}") from exc


def check_result(hook: Callable[..., Any], value: object) -> None:
    """Check what a hook returned before it is encoded, as far as one look tells.

    :raises TypeError: it is of another type than the contract says
    """
    wanted = hook_types(hook).get("return", Any)
    build = get_origin(wanted) or wanted
    if build in (list, tuple):
        fits = isinstance(value, list | tuple)
        (items, *_) = get_args(wanted) or (Any,)
        if isinstance(value, list | tuple) and isinstance(items, type | UnionType):
            fits = all(isinstance(item, items) for item in value)
    elif isinstance(wanted, UnionType):
        fits = isinstance(value, wanted)
    else:
        fits = not isinstance(build, type) or isinstance(value, build)
    if not fits:
        raise TypeError(f"it returned {value!r:.100}, its contract says {_name(wanted)}")


@cache
def hook_types(hook: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a contract's hook by parameter, ``return`` included, `ctx` left out."""
    return {name: kind for name, kind in get_type_hints(hook).items() if name != "ctx"}


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=False)
    # Left alone, the library turns 5 into "5", "no" into True and "ab" into ("a", "b"): a wrong
    # type is a bug that must be seen.
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(type(None), _nothing)
    converter.register_structure_hook(Path, lambda data, _: Path(_string(data, str)))
    converter.register_structure_hook_factory(_is_array, _array_hook)
    converter.register_structure_hook_factory(is_dataclass, _object_hook)
    converter.register_structure_hook_factory(_is_text_or_another, _text_or_another_hook)
    return converter


def _problem(exc: BaseException, kind: type | None) -> str:
    if isinstance(exc, KeyError):
        return "required field missing"
    return str(exc) or f"not a {_name(kind)}"


def _expected(what: str, data: object) -> TypeError:
    return TypeError(f"{what} was expected, not {data!r:.100}")


def _string(data: object, _: object) -> str:
    if not isinstance(data, str):
        raise _expected("a string", data)
    return data


def _integer(data: object, _: object) -> int:
    if not isinstance(data, int) or isinstance(data, bool):
        raise _expected("a whole number", data)
    return data


def _float(data: object, _: object) -> float:
    if not isinstance(data, int | float) or isinstance(data, bool):
        raise _expected("a number", data)
    return float(data)


def _boolean(data: object, _: object) -> bool:
    if not isinstance(data, bool):
        raise _expected("true or false", data)
    return data


def _nothing(data: object, _: object) -> None:
    if data is not None:
        raise _expected("nothing", data)


def _is_array(annotation: Any) -> bool:
    return (get_origin(annotation) or annotation) in (list, tuple, frozenset)


def _is_text_or_another(annotation: Any) -> bool:
    return isinstance(annotation, UnionType) and len(get_args(annotation)) == 2 and (
        str in get_args(annotation) and type(None) not in get_args(annotation))


def _text_or_another_hook(
    annotation: Any, converter: cattrs.Converter
) -> Callable[[Any, Any], Any]:
    (other,) = set(get_args(annotation)) - {str}

    def structure(data: object, _: object) -> Any:
        return data if isinstance(data, str) else converter.structure(data, other)

    return structure


def _array_hook(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    build, items = get_origin(annotation) or annotation, get_args(annotation)
    fixed = build is tuple and bool(items) and items[-1] is not Ellipsis

    def structure(data: object, _: object) -> Any:
        if not isinstance(data, list | tuple):
            raise _expected("a list", data)
        if fixed and len(data) != len(items):
            raise _expected(f"a list of {len(items)}", data)
        types = items if fixed else (items[:1] or (Any,)) * len(data)
        return build(converter.structure(item, kind)
                     for item, kind in zip(data, types, strict=True))

    return structure


def _object_hook(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    from_mapping = converter.gen_structure_attrs_fromdict(cls)

    def structure(data: object, _: object) -> Any:
        if not isinstance(data, Mapping):
            raise _expected("an object", data)
        return from_mapping(data, cls)

    return structure
