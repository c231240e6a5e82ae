"""The package's users and groups, and who may read what, say the same in all places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganeti_core.daemons import confd, mond, rapi
from ganeti_core.readers import READERS

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
DEBIAN = PACKAGING / "debian"
DATA = "/var/lib/ganeti/"


def lines(name: str) -> list[list[str]]:
    return [line.split() for line in (DEBIAN / name).read_text().splitlines()
            if line and not line.startswith("#")]


def test_every_daemon_with_a_user_has_one_in_the_package() -> None:
    found = {words[1]: words[2] for words in lines("sysusers.conf") if words[0] == "u"}
    assert found == {mond.USER: "-:gnt-daemons", rapi.USER: "-", confd.USER: "-"}
    members = {words[1] for words in lines("sysusers.conf") if words[0] == "m"}
    assert members == {rapi.USER, confd.USER}, "they enter the folders by the daemons' group"
    script = (DEBIAN / "postinst").read_text()
    for user in found:
        assert re.search(rf"add_user {user} (\S+,)?gnt-daemons ", script), user


def test_the_folders_are_open_to_the_daemons_group() -> None:
    groups = {words[1]: words[4] for words in lines("tmpfiles.conf") if words[0] == "d"}
    assert {folder for folder, group in groups.items() if group == "gnt-daemons"} == {
        "/run/ganeti", "/var/lib/ganeti", "/var/lib/ganeti/plugins", "/var/log/ganeti"}


def test_older_installations_are_opened_to_the_same_readers_as_new_files() -> None:
    found = {words[1].removeprefix(DATA): (words[2], words[4])
             for words in lines("tmpfiles.conf") if words[0] == "z"}
    assert found == {name: ("0750" if name == "rapi" else "0640", group)
                     for name, group in READERS.items()}


@pytest.mark.parametrize(("daemon", "reads"), [
    ("ganeti-mond", set()), ("ganeti-rapi", {"rapi.pem"}), ("ganeti-confd", {"hmac.key"})])
def test_a_unit_hides_the_keys_that_its_daemon_does_not_need(daemon: str, reads: set[str]) -> None:
    unit = (PACKAGING / f"systemd/{daemon}.service").read_text()
    hidden = {path.removeprefix(f"-{DATA}") for line in unit.splitlines()
              if line.startswith("InaccessiblePaths=")
              for path in line.partition("=")[2].split()}
    assert {"ca.key", "cluster-domain-secret"} <= hidden
    assert not hidden & reads
    own = "/run/ganeti /var/log/ganeti"
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", f"ReadWritePaths={own}\n"):
        assert line in unit
    writable = set(re.findall(r"(?m)^ReadWritePaths=(.*)$", unit)) - {own}
    assert writable == ({f"-{DATA}plugins/authenticators"} if daemon == rapi.NAME else set())


@pytest.mark.parametrize("path", sorted((PACKAGING / "systemd").glob("*.service")),
                         ids=lambda path: path.stem)
def test_no_unit_owns_the_folder_that_all_daemons_share(path: Path) -> None:
    """systemd gives a `RuntimeDirectory` of another group, with all that is in it, to the unit's
    group at each start: no daemon but root's could come to the master's socket any more."""
    assert "RuntimeDirectory" not in path.read_text()
    assert "d /run/ganeti 0751 root gnt-daemons -" in (DEBIAN / "tmpfiles.conf").read_text()
