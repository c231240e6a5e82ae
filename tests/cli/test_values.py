"""How texts on a command line are read."""

from __future__ import annotations

import time

import pytest

from ganeti_core.cli import values
from ganeti_core.cli.devices import changes, new_disks, new_nics
from ganeti_core.cli.typed import convert
from ganeti_core.errors import OpPrereqError, ValueRejected


@pytest.mark.parametrize(("text", "size"), [
    ("512", 512), ("512m", 512), ("1G", 1024), ("1.5g", 1536), ("1 GiB", 1024), ("2t", 2097152),
    ("10", 12), ("10.1", 12), ("0", 0),
])
def test_sizes_are_mebibytes_rounded_up_to_fours(text: str, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1.2.3", "12kb", "1 2", "ten", "1x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid format|Unknown unit"):
        values.parse_size(text)


def test_sizes_that_no_storage_has_are_refused() -> None:
    for text in ("9" * 400, "9" * 30, "1" + "0" * 20 + "t"):
        with pytest.raises(ValueError, match="too large"):
            values.parse_size(text)


def test_json_that_is_nested_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid JSON"):
        values.parse_json("[" * 100_000)


def test_times_beyond_all_calendars_are_refused() -> None:
    for text in ("9" * 20, "9" * 5000, "9999999999w"):
        with pytest.raises(ValueError, match="Invalid time specification"):
            values.parse_duration(text)
    assert time.ctime(time.time() + values.parse_duration("100000000000"))


def test_key_values_have_flags_and_resets() -> None:
    assert values.parse_key_values("a=1,b,no_c,-d,e=x=y,f=") == {
        "a": "1", "b": True, "c": False, "d": None, "e": "x=y", "f": ""}
    assert values.parse_key_values("") == {}


def test_a_backslash_keeps_a_comma_in_a_value() -> None:
    assert values.parse_key_values(r"a=1\,2,b=c\\,d=\x") == {"a": "1,2", "b": "c\\", "d": "\\x"}


def test_a_key_may_be_given_once() -> None:
    with pytest.raises(ValueError, match="Duplicate key 'a'"):
        values.parse_key_values("a=1,a=2")


@pytest.mark.parametrize(("text", "result"), [
    ("kvm", ("kvm", {})),
    ("kvm:acpi=false,no_pae", ("kvm", {"acpi": "false", "pae": False})),
    ("0:size=1g", ("0", {"size": "1g"})),
    ("-1:remove", ("-1", {"remove": True})),
    ("no_kvm", ("kvm", False)),
    ("-kvm", ("kvm", None)),
])
def test_identified_settings(text: str, result: tuple) -> None:
    assert values.parse_identified(text) == result


@pytest.mark.parametrize(("text", "seconds"), [
    ("30", 30), ("30s", 30), ("2m", 120), ("3h", 10800), ("1d", 86400), ("4w", 2419200)])
def test_durations(text: str, seconds: int) -> None:
    assert values.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "many"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    for read in (values.parse_number, values.parse_ratio):
        with pytest.raises(ValueError, match=r"finite|is no number"):
            read(text)
    with pytest.raises(ValueRejected, match=f"'cpu_speed' .value {text}. is not a number"):
        convert({"cpu_speed": text}, {"cpu_speed": 1.0})


def test_filter_actions() -> None:
    assert values.parse_filter_action("PAUSE") == "PAUSE"
    assert values.parse_filter_action("RATE_LIMIT 5") == ["RATE_LIMIT", 5]
    with pytest.raises(ValueError, match="needs a number"):
        values.parse_filter_action("RATE_LIMIT many")


def test_bounds_are_a_list_of_minimum_and_maximum() -> None:
    assert values.parse_bounds("min:a=1/max:a=2//min:a=3/max:a=4") == [
        {"min": {"a": "1"}, "max": {"a": "2"}}, {"min": {"a": "3"}, "max": {"a": "4"}}]


DEFAULTS = {"maxmem": 128, "auto_balance": True, "vcpus": 1, "kernel_args": "ro", "ratio": 1.0}


def test_parameters_take_the_types_of_their_defaults() -> None:
    given = {"memory": "1g", "auto_balance": "no", "vcpus": "4", "kernel_args": "1", "ratio": "2"}
    assert convert(given, DEFAULTS, frozenset({"memory"})) == {
        "memory": 1024, "auto_balance": False, "vcpus": 4, "kernel_args": "1", "ratio": 2.0}


def test_default_and_a_dash_take_an_own_value_back() -> None:
    given = values.parse_key_values("vcpus=default,-ratio")
    assert convert(given, DEFAULTS) == {"vcpus": "default", "ratio": "default"}


def test_a_number_may_be_left_to_the_driver() -> None:
    """Whether it may be is for the master to say."""
    assert convert({"vcpus": "auto"}, DEFAULTS) == {"vcpus": "auto"}


@pytest.mark.parametrize(("given", "text"), [
    ({"nosuch": "1"}, "Unknown parameter 'nosuch'"),
    ({"vcpus": "many"}, "'vcpus' .value many. is not a number"),
    ({"auto_balance": "maybe"}, "is not a boolean"),
])
def test_values_that_do_not_fit_are_refused(given: dict[str, str], text: str) -> None:
    with pytest.raises(ValueRejected, match=text):
        convert(given, DEFAULTS)


def test_disks_are_ordered_by_index_and_need_a_size() -> None:
    given = [("1", {"size": "1g"}), ("0", {"size": "512", "name": "none"})]
    assert new_disks(given, None) == [{"size": 512, "name": None}, {"size": 1024}]
    missing = "Missing size or adoption source for disk 0: "
    with pytest.raises(OpPrereqError, match=f"{missing}nothing is given for it"):
        new_disks([("1", {"size": "1g"})], None)
    with pytest.raises(OpPrereqError, match=f"{missing}only sizee given"):
        new_disks([("0", {"sizee": "1g"})], None)
    with pytest.raises(OpPrereqError, match="Invalid disk index passed: 'x'"):
        new_disks([("x", {})], None)
    with pytest.raises(OpPrereqError, match="Invalid disk size"):
        new_disks([("0", {"size": "big"})], None)
    with pytest.raises(OpPrereqError, match="either"):
        new_disks([("0", {"size": "1g"})], 1024)


def test_a_diskless_instance_takes_no_disks() -> None:
    assert new_disks([], None, none_at_all=True) == []


def test_an_instance_has_one_network_card_unless_told_otherwise() -> None:
    assert new_nics([], none_at_all=False) == [{}]
    assert new_nics([], none_at_all=True) == []
    assert new_nics([("1", {"ip": "none", "link": "br1"})], none_at_all=False) == [
        {}, {"ip": None, "link": "br1"}]


@pytest.mark.parametrize(("text", "change"), [
    ("add:size=1g", ["add", -1, {"size": 1024}]),
    ("1:add,size=1g", ["add", 1, {"size": 1024}]),
    ("-1:remove", ["remove", -1, {}]),
    ("remove", ["remove", -1, {}]),
    ("0:mode=ro", ["modify", 0, {"mode": "ro"}]),
    ("web:link=br1", ["modify", "web", {"link": "br1"}]),
    ("modify:2", ["modify", -1, {"2": True}]),
    ("0:detach", ["detach", 0, {}]),
    ("0:modify,ip=none,network=none,name=none",
     ["modify", 0, {"ip": "none", "network": "none", "name": None}]),
    ("0:add,ip=none", ["add", 0, {"ip": None}]),
])
def test_changes_of_devices(text: str, change: list) -> None:
    assert changes("disk", [values.parse_identified(text)]) == [change]


def test_what_is_removed_takes_no_settings() -> None:
    with pytest.raises(OpPrereqError, match="Not accepting parameters on remove"):
        changes("disk", [values.parse_identified("0:remove,size=1g")])
