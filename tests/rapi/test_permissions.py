"""Who may do what: options of the users file, and the one decision."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from ganeti_core.plugin_api.passwords import make_scrypt, parse_secret
from ganeti_core.rapi.permissions import (
    ALL,
    CONSOLE,
    OPERATOR,
    READONLY,
    Actor,
    Rights,
    Rule,
    decide,
    resolve,
)
from ganeti_core.rapi.table import resources
from ganeti_core.rapi.users import parse_users, users_file


def test_every_method_needs_a_permission_that_exists() -> None:
    needed = {method.rule.permission for resource in resources()
              for method in resource.methods.values()}

    assert needed == ALL


def test_what_changes_something_is_never_public() -> None:
    public = {(resource.path, name) for resource in resources()
              for name, method in resource.methods.items() if method.rule.public}

    assert all(name == "GET" for _, name in public)


@pytest.mark.parametrize(("options", "granted"), [
    ("", frozenset()),
    ("write", ALL), ("all", ALL), ("read,write", ALL), ("@admin", ALL),
    ("read", READONLY | {CONSOLE}), ("@readonly", READONLY), ("@operator", OPERATOR),
    ("jobs.list, jobs.cancel", {"jobs.list", "jobs.cancel"}),
    ("@readonly,+instances.create", READONLY | {"instances.create"}),
    ("@admin,-jobs.cancel", ALL - {"jobs.cancel"}),
    ("+jobs.list,-jobs.list", frozenset()),
    ("@nobody,jobs.list", {"jobs.list"}),
])
def test_options_give(options: str, granted: frozenset[str]) -> None:
    assert resolve(options.split(","))[0].granted == granted


def test_the_order_of_options_does_not_matter() -> None:
    tokens = ["-jobs.cancel", "+instances.create", "@operator", "read"]

    found = {resolve(list(order))[0] for order in itertools.permutations(tokens)}

    assert len(found) == 1


def test_unknown_roles_and_permissions_are_told() -> None:
    _, odd = resolve(["@nobody", "instances.explode"])

    assert any("@nobody" in text and "@operator" in text for text in odd)
    assert any("instances.explode" in text for text in odd)


def test_operators_change_no_configuration() -> None:
    assert READONLY < OPERATOR
    assert not OPERATOR & {
        "instances.create", "instances.modify", "instances.remove", "instances.rename",
        "instances.recreate_disks", "instances.grow_disk", "cluster.modify", "nodes.modify",
        "nodes.role.modify", "nodes.migrate", "nodes.powercycle", "networks.create",
        "groups.delete", "tags.set"}


PUBLIC, OWN = Rule("cluster.info", public=True), Rule("instances.create")


@pytest.mark.parametrize(("options", "rule", "allowed"), [
    (None, PUBLIC, True), (None, OWN, False),
    ("", PUBLIC, True), ("", OWN, False),
    ("instances.create", OWN, True), ("@readonly", OWN, False),
    ("@admin,-cluster.info", PUBLIC, False),
])
def test_the_decision(options: str | None, rule: Rule, allowed: bool) -> None:
    actor = None if options is None else Actor("somebody", resolve(options.split(","))[0])

    assert decide(actor, rule).allowed is allowed


def test_a_decision_names_who_and_what() -> None:
    reason = decide(Actor("jill", Rights()), OWN).reason

    assert "jill" in reason
    assert "instances.create" in reason


def ha1(user: str, password: str) -> str:
    text = f"{user}:Ganeti Remote API:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


SCRYPT = ("{scrypt}16384:8:1:tKZp23ExF0cwHaIYeQRHTg==:GTEA1DA0GZILUhSuW"
          "/MOCcqwhcsdGyQTdKGJrVQ/SUA=")


@pytest.mark.parametrize("field", [
    "sesame", "{cleartext}sesame", "{CLEARTEXT}sesame",
    f"{{HA1}}{ha1('jack', 'sesame')}", f"{{ha1}}{ha1('jack', 'sesame').upper()}",
    SCRYPT,
])
def test_secrets_of_every_scheme_fit(field: str) -> None:
    secret = parse_secret(field)

    assert not secret.problem
    assert secret.fits("jack", "sesame")
    assert not secret.fits("jack", "Sesame")
    assert not secret.fits("jack", "")


@pytest.mark.parametrize("field", [
    "{rot13}frfnzr", "{scrypt}", "{scrypt}16384:8:1:AAAA", "{scrypt}3:8:1:AAAA:AAAA",
    SCRYPT.replace("16384", "1073741824"),
    "{scrypt}16384:8:1:!:!", "{cleartext}", "{HA1}", "{HA1}sesame",
])
def test_secrets_that_nothing_fits_are_told(field: str) -> None:
    secret = parse_secret(field)

    assert secret.problem
    assert not secret.fits("jack", "sesame")
    assert not secret.fits("jack", "")


def test_a_users_file() -> None:
    users, odd = parse_users(
        "# who may do what\n\njack abc123\n  fred {cleartext}foo555 \nauto xyz789 write\n"
        "jill {HA1}7046452df2cbb530877058712cf17bd4 read, jobs.wait\nalone\n")

    assert sorted(users) == ["auto", "fred", "jack", "jill"]
    assert users["jack"].rights.granted == frozenset()
    assert users["auto"].rights.granted == ALL
    assert "jobs.wait" in users["jill"].rights.granted
    assert len(odd) == 1
    assert "line 7" in odd[0]


def test_no_secret_is_told() -> None:
    _, odd = parse_users("jack {rot13}verysecret @nobody\n")

    assert odd
    assert not any("verysecret" in text for text in odd)


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    now = [0.0]
    file = tmp_path / "users"
    users = users_file(file, clock=lambda: now[0])
    assert users.get("jack") is None

    file.write_text("jack one\n")
    assert users.get("jack") is None
    now[0] += 2
    jack = users.get("jack")
    assert jack is not None
    assert jack.secret.fits("jack", "one")

    file.write_text("jack other write\n")
    now[0] += 2
    jack = users.get("jack")
    assert jack is not None
    assert jack.secret.fits("jack", "other")

    file.unlink()
    now[0] += 2
    assert users.get("jack") is None


def test_a_new_secret_fits_and_is_never_the_same() -> None:
    first, second = make_scrypt("sesame"), make_scrypt("sesame")

    assert first != second
    assert parse_secret(first).fits("jack", "sesame")
    assert not parse_secret(first).fits("jack", "other")
