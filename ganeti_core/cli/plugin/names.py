"""How users name kinds and plugins: ``disk_template``, ``disk_templates:file``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

KINDS = {
    # as `gnt-plugin new` takes it: (the kind's own name, one plugin of it in words)
    "hypervisor": ("hypervisors", "hypervisor"),
    "disk_template": ("disk_templates", "disk template"),
    "network_backend": ("network_backends", "network back end"),
    "network_service": ("network_services", "network service"),
    "extstorage": ("extstorage", "ExtStorage provider"),
    "os": ("os", "OS definition"),
    "collector": ("collectors", "data collector"),
    "iallocator": ("iallocators", "instance allocator"),
    "authenticator": ("authenticators", "authenticator"),
}
"""Written out, and not taken from the contracts: help must not import them."""
EVENTS = ("event", "events")
"""Subscribers to events: listed and switched like plugins of a kind, but nobody asks for one."""


def kind_name(text: str) -> str:
    """Give the kind's own name for what a user wrote: singular, plural, with a hyphen.

    :raises OpPrereqError: there is no such kind
    """
    wanted = text.lower().replace("-", "_")
    for singular, (plural, _) in KINDS.items():
        if wanted in (singular, plural):
            return plural
    if wanted in EVENTS:
        return EVENTS[1]
    raise OpPrereqError(f"there is no kind {text!r} (there are: {', '.join(KINDS)})", ECODE_INVAL)


def kind_title(kind: str) -> str:
    """One plugin of the kind, in words."""
    return next(title for plural, title in KINDS.values() if plural == kind)


def is_kind(text: str) -> bool:
    """Whether `kind_name` takes `text`."""
    return text.lower() in EVENTS or any(text.lower().replace("-", "_") in (singular, plural)
               for singular, (plural, _) in KINDS.items())


def plugin_named(words: Sequence[str],
                 known: Callable[[], Iterable[tuple[str, str]]]) -> tuple[str, str]:
    """Give kind and name of a plugin from ``KIND:NAME``, ``KIND NAME`` or ``NAME``.

    `known` tells kind and name of all plugins; it is asked about a name alone, which must be the
    name of one plugin.

    :raises OpPrereqError: it is of none of these forms, or there is no such kind or no one plugin
    """
    match [part for word in words for part in word.split(":", 1)]:
        case [str(kind), str(name)] if kind and name:
            return kind_name(kind), name
        case [str(name)] if name:
            return _only_one(name, sorted(key for key in known() if key[1] == name))
        case _:
            raise OpPrereqError(
                f"{' '.join(words)!r} is not KIND:NAME, such as hypervisor:kvm", ECODE_INVAL)


def split_names(words: Sequence[str]) -> list[list[str]]:
    """Cut a line of names into those of one thing each: a word, or ``KIND NAME``."""
    found: list[list[str]] = []
    rest = list(words)
    while rest:
        two = len(rest) > 1 and is_kind(rest[0]) and not is_kind(rest[1]) and ":" not in rest[1]
        found.append([rest.pop(0) for _ in range(2 if two else 1)])
    return found


def _only_one(name: str, found: list[tuple[str, str]]) -> tuple[str, str]:
    if not found:
        raise OpPrereqError(f"there is no kind and no plugin {name!r} (kinds: {', '.join(KINDS)}; "
                            "plugins: gnt-plugin list)", ECODE_NOENT)
    if len(found) > 1:
        raise OpPrereqError(f"{name!r} is the name of several plugins: "
                            f"{', '.join(':'.join(key) for key in found)}", ECODE_INVAL)
    return found[0]
