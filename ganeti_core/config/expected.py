"""On which version of an object a change is based; checked where the change is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot

_TITLES = {"nodegroup": "group"}


@dataclass(frozen=True)
class Expected:
    """An object, and the serial number with which somebody has seen it.

    :param kind: a name of `model.KINDS`
    """

    kind: str
    uuid: str
    name: str
    serial_no: int

    def check(self, snapshot: Snapshot) -> None:
        """Compare with the object as it is in `snapshot`.

        :raises OpPrereqError: it has another serial number, or is gone (`ECODE_STATE`)
        """
        found = snapshot.of_kind(self.kind).get(self.uuid)
        if found is None:
            raise OpPrereqError(f"The {_TITLES.get(self.kind, self.kind)} {self.name} is gone",
                                ECODE_STATE)
        if found.serial_no != self.serial_no:
            raise OpPrereqError(
                stale(self.kind, self.name, str(self.serial_no), found.serial_no), ECODE_STATE)


def stale(kind: str, name: str, expected: str, found: int) -> str:
    """Say that an object is of another version than somebody believes."""
    subject = f"The {_TITLES.get(kind, kind)} {name}".rstrip()
    return (f"{subject} has the serial number {found}, and {expected} was expected: it was changed "
            "meanwhile, so look at it again")
