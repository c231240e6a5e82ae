"""Addresses that an administrator gives to a node."""

from __future__ import annotations

import ipaddress

from ganeti_core.errors import ECODE_INVAL, OpPrereqError


def check_address(text: str) -> None:
    """:raises OpPrereqError: it is no address of a host (`ECODE_INVAL`)"""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise OpPrereqError(f"'{text}' is not a valid IP address", ECODE_INVAL) from exc
    if address.is_multicast or address.is_unspecified:
        raise OpPrereqError(f"'{text}' is not the address of a host", ECODE_INVAL)
