"""What every configuration object carries."""

from __future__ import annotations

from typing import Any, Self

from ganeti_core.lazy_dataclass import dataclass

Params = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ConfigObject:
    """An object of the configuration.

    :param serial_no: grows with every change of this object
    :param ctime: time of creation, `mtime`: of the last change; seconds since 1970
    """

    uuid: str
    serial_no: int = 1
    ctime: float = 0.0
    mtime: float = 0.0
    tags: tuple[str, ...] = ()

    def on_top_of(self, newest: Self) -> Self:
        """This value as it may replace `newest`: with what changes without the object's lock."""
        del newest
        return self
