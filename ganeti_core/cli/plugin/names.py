"""How users name kinds and plugins: ``disk_template``, ``disk_templates:file``."""

from __future__ import annotations

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

KINDS = {
    # as `gnt-plugin new` takes it: (the kind's own name, one plugin of it in words)
    "hypervisor": ("hypervisors", "hypervisor"),
    "disk_template": ("disk_templates", "disk template"),
    "extstorage": ("extstorage", "ExtStorage provider"),
    "os": ("os", "OS definition"),
    "collector": ("collectors", "data collector"),
    "iallocator": ("iallocators", "instance allocator"),
}
"""Written out, and not taken from the contracts: help must not import them."""


def kind_name(text: str) -> str:
    """Give the kind's own name for what a user wrote: singular, plural, with a hyphen.

    :raises OpPrereqError: there is no such kind
    """
    wanted = text.lower().replace("-", "_")
    for singular, (plural, _) in KINDS.items():
        if wanted in (singular, plural):
            return plural
    raise OpPrereqError(f"there is no kind {text!r} (there are: {', '.join(KINDS)})", ECODE_INVAL)


def kind_title(kind: str) -> str:
    """One plugin of the kind, in words."""
    return next(title for plural, title in KINDS.values() if plural == kind)


def split_plugin(text: str) -> tuple[str, str]:
    """Take ``KIND:NAME`` apart.

    :raises OpPrereqError: it is not of that form, or there is no such kind
    """
    kind, colon, name = text.partition(":")
    if not colon or not name:
        raise OpPrereqError(
            f"{text!r} is not KIND:NAME, such as hypervisor:kvm", ECODE_INVAL)
    return kind_name(kind), name
