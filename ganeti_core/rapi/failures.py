"""Responses that say why a request was not carried out, as ``{code, message, explain}``."""

from __future__ import annotations

import html
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from ganeti_core.errors import (
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_NOTUNIQUE,
    ECODE_STATE,
    ECODE_TEMP_NORES,
    AccessDenied,
    GanetiError,
    JobLost,
    JobQueueError,
    MasterBusy,
    OpPrereqError,
    ParameterError,
    RequestError,
    TagError,
    ValueRejected,
)
from ganeti_core.luxi.client import (
    ConnectionLost,
    LuxiTimeout,
    MasterAccessError,
    NoMasterError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_BY_ECODE = {
    ECODE_INVAL: HTTPStatus.BAD_REQUEST, ECODE_NOENT: HTTPStatus.NOT_FOUND,
    ECODE_EXISTS: HTTPStatus.CONFLICT, ECODE_NOTUNIQUE: HTTPStatus.CONFLICT,
    ECODE_STATE: HTTPStatus.CONFLICT, ECODE_TEMP_NORES: HTTPStatus.SERVICE_UNAVAILABLE,
}
_BY_CLASS: tuple[tuple[type[GanetiError], HTTPStatus], ...] = (
    # The first that fits counts. A request that the master cannot read is Ganeti's 502, too.
    (LuxiTimeout, HTTPStatus.GATEWAY_TIMEOUT),
    (MasterAccessError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (NoMasterError, HTTPStatus.BAD_GATEWAY),
    (ConnectionLost, HTTPStatus.BAD_GATEWAY),
    (MasterBusy, HTTPStatus.SERVICE_UNAVAILABLE),
    (JobQueueError, HTTPStatus.SERVICE_UNAVAILABLE),
    (JobLost, HTTPStatus.NOT_FOUND),
    (RequestError, HTTPStatus.BAD_GATEWAY),
    (ParameterError, HTTPStatus.BAD_REQUEST),
    (ValueRejected, HTTPStatus.BAD_REQUEST),
    (TagError, HTTPStatus.BAD_REQUEST),
    (AccessDenied, HTTPStatus.FORBIDDEN),
)


class HttpFailure(Exception):
    """A request ends with this status.

    :param message: for people; the status's own phrase where there is none
    :param headers: that the response has besides the usual ones
    :param close: the connection cannot be used any more
    :param reason: why it was denied, for the log alone; such a request was denied whatever its
        status says
    """

    def __init__(
        self, status: HTTPStatus, message: str = "", headers: Sequence[tuple[str, str]] = (), *,
        close: bool = False, reason: str = "",
    ) -> None:
        super().__init__(message or status.phrase)
        self.status = status
        self.headers = headers
        self.close = close
        self.reason = reason

    @property
    def message(self) -> str:
        return str(self.args[0])

    def document(self) -> bytes:
        """The body. Messages are escaped, as Ganeti has it: some clients show them in pages."""
        return json.dumps({
            "code": int(self.status), "message": html.escape(self.message),
            "explain": self.status.description or self.status.phrase}).encode() + b"\n"


def bad_request(message: str) -> HttpFailure:
    return HttpFailure(HTTPStatus.BAD_REQUEST, message)


def not_found(reason: str = "") -> HttpFailure:
    """:param reason: it is there, but was denied"""
    return HttpFailure(HTTPStatus.NOT_FOUND, reason=reason)


def failure_of(error: GanetiError) -> HttpFailure:
    """The response to a request that the master refused, or that did not reach it."""
    if isinstance(error, NoMasterError):
        return HttpFailure(_status_of(error), f"Cannot reach the master daemon: {error.message}")
    return HttpFailure(_status_of(error), error.message)


def _status_of(error: GanetiError) -> HTTPStatus:
    if isinstance(error, OpPrereqError):
        return _BY_ECODE.get(error.ecode, HTTPStatus.INTERNAL_SERVER_ERROR)
    for kind, status in _BY_CLASS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR
