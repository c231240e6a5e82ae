"""Certificates that are about to end are named before clients and nodes are cut off."""

from __future__ import annotations

import datetime

import pytest

from ganeti_core.rpc.certs import AUTHORITY_DAYS, ending, new_authority


@pytest.mark.parametrize(("days", "level", "text"), [
    (AUTHORITY_DAYS - 31.5, "", ""),
    (AUTHORITY_DAYS - 30.5, "WARNING", "Certificate expires in about 30 days"),
    (AUTHORITY_DAYS - 8.5, "WARNING", "Certificate expires in about 8 days"),
    (AUTHORITY_DAYS - 7.5, "ERROR", "Certificate expires in about 7 days"),
    (AUTHORITY_DAYS - 0.5, "ERROR", "Certificate expires in about 0 days"),
    (AUTHORITY_DAYS + 0.5, "ERROR", "Certificate is expired (valid from "),
    (-3.0, "WARNING", "Certificate not yet valid (valid from "),
    (1.0, "", ""),
])
def test_how_bad_it_is(days: float, level: str, text: str) -> None:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    found = ending(new_authority("cluster.example.com").certificate, now)
    assert found[1].startswith(text)
    assert bool(found[1]) == bool(text)
    assert not text or found[0] == level


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        ending(b"no certificate", datetime.datetime.now(datetime.UTC))
