"""Names that clients give: of hosts, groups and networks, devices, links, parameters.

Each rule returns the final form of a name or raises `OpPrereqError` (`ECODE_INVAL`). Names reach
files, environments and command lines of other programs, so none has a control character. In
listings they are in the order of `nice_key`.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST = re.compile(r"[a-z0-9._-]{1,255}")
LONGEST_LABEL = 63
_LOCAL = frozenset({"localhost", "localhost.localdomain"})
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,254}")
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}")
_UNSAFE_IN_LINK = re.compile(r"[\s/\x00-\x1f\x7f]")
LONGEST_LINK = 15
"""What Linux takes as the name of a network device."""
LONGEST_DEVICE_NAME = 255
_VLANS = re.compile(r"(\.[0-9]{1,4})?(:[0-9]{1,4})*")
MOST_VLANS = 4094
_DIGITS = re.compile(r"(\d+)")


def host_name(given: str) -> str:
    """Return the name of an instance, a node or the cluster in lower case, without a final dot."""
    lowered = given.lower() if given.isascii() else given
    name = lowered.removesuffix(".")
    labels = name.split(".")
    if not _HOST.fullmatch(name):
        raise _invalid("hostname", given, "expected 1 to 255 of the characters a-z, 0-9, '.', '_' "
                       "and '-'")
    if "" in labels or any(len(label) > LONGEST_LABEL for label in labels):
        raise _invalid("hostname", given, "between its dots it must have 1 to "
                       f"{LONGEST_LABEL} characters")
    if name.startswith("-"):
        raise _invalid("hostname", given, "it must not begin with a dash")
    if name in _LOCAL or _is_address(name):
        raise _invalid("hostname", given, "expected a name of its own, no address and not "
                       "localhost")
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def plain_name(what: str, given: str) -> str:
    """Return the name of a node group or of a network (`what`) as it was given."""
    if not _PLAIN.fullmatch(given):
        raise _invalid(f"{what} name", given, "expected up to 255 letters, digits and characters "
                       "of '_.:@+-', the first one a letter, a digit or '_'")
    return given


def device_name(what: str, given: str) -> str:
    """Return the name of a disk or a network card (`what`) as it was given."""
    if not 0 < len(given) <= LONGEST_DEVICE_NAME or not given.isprintable():
        raise _invalid(f"{what} name", given,
                       f"expected 1 to {LONGEST_DEVICE_NAME} printable characters")
    return given


def parameter_names(what: str, given: Iterable[str]) -> None:
    """Check names that become part of environment variables: OS and ExtStorage parameters."""
    for name in given:
        if not _PARAMETER.fullmatch(name):
            raise _invalid(f"name of {what} parameter", name, "expected letters, digits and "
                           "characters of '_.:-'")


def link_name(given: str, *, is_device: bool) -> str:
    """Return what a network card is linked to: a network device, or else a routing table, if any.
    """
    if not given and not is_device:
        return given
    longest = LONGEST_LINK if is_device else LONGEST_DEVICE_NAME
    if (not 0 < len(given) <= longest or given in (".", "..") or given.startswith("-")
            or _UNSAFE_IN_LINK.search(given)):
        raise _invalid("link", given, f"expected 1 to {longest} characters without spaces and '/', "
                       "the first one not a dash")
    return given


def vlans(given: str) -> str:
    """Return VLANs of a card in final form.

    ``10`` and ``.10`` mean the untagged one, ``:20:30`` tagged ones, ``.10:20`` both.
    """
    text = f".{given}" if given.isascii() and given.isdigit() else given
    numbers = re.findall("[0-9]+", text)
    if not _VLANS.fullmatch(text) or not all(0 < int(one) <= MOST_VLANS for one in numbers):
        raise OpPrereqError(
            f"Specified VLAN parameter is invalid : {given[:80]!r}; expected numbers from 1 to "
            f"{MOST_VLANS} such as 10, .10, :20:30 or .10:20", ECODE_INVAL)
    return text


def _invalid(what: str, given: str, expected: str) -> OpPrereqError:
    # Of a very long one the beginning says enough.
    shown = repr(given if len(given) <= 80 else f"{given[:60]}...")
    return OpPrereqError(f"Invalid {what} {shown}: {expected}", ECODE_INVAL)


@lru_cache(maxsize=65_536)
def nice_key(name: str) -> tuple[str | int, ...]:
    """Return the key to sort `name` by: ``node2`` comes before ``node10``."""
    # Text and numbers alternate, text first, so keys of any two names can be compared.
    return tuple(int(part) if at % 2 else part for at, part in enumerate(_DIGITS.split(name)))
