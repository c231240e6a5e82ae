"""Certificates that are about to end are named before clients and nodes are cut off."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganeti_core.operations.cluster.verify import _verify_certificates
from ganeti_core.paths import Paths
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


def test_all_certificates_of_the_cluster_are_looked_at(tmp_path: Path) -> None:
    """As by Ganeti; what a cluster has not made is not missed."""
    paths = Paths(tmp_path)
    paths.data.mkdir(parents=True)
    found: dict[str, str] = {}

    def note(wrong: bool, code: str, name: str, message: str, *, level: str = "ERROR") -> None:
        if wrong:
            assert (code, level) == ("ECLUSTERCERT", "ERROR")
            found[Path(name).name] = message.rpartition("; ")[2].split()[2]

    context: Any = SimpleNamespace(services=SimpleNamespace(paths=paths))
    findings: Any = SimpleNamespace(error_if=note)
    for file in (paths.node_key, paths.ca_key):
        file.touch(mode=0o600)
    _verify_certificates(context, findings)
    assert found == {}
    for name in ("ca.pem", "rapi.pem", "spice.pem", "spice-ca.pem"):
        (paths.data / name).write_text("no certificate")
    _verify_certificates(context, findings)
    assert found == {
        "ca.pem": "--new-cluster-certificate", "rapi.pem": "--new-rapi-certificate",
        "spice.pem": "--new-spice-certificate", "spice-ca.pem": "--new-spice-certificate"}
