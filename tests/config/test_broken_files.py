"""Files that are damaged, or were never a configuration: refused with a reason, or taken whole."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.bootstrap.config_file import DEEPEST, read_cluster
from ganeti_core.config.ganeti_format import read_config, write_config
from ganeti_core.errors import ConfigurationError, OpPrereqError

FOLDER = Path(__file__).parent.parent / "data/config"
FILES = sorted(file.name for file in FOLDER.glob("*.json"))
MUTATIONS = 250
ODD: list[Any] = [
    None, True, False, 0, -1, 1 << 70, 1.5, 1e308, "", "x", "\0", "a\nb", "../x", "\ud800", [], {},
    [[]], [1, "a"], {"a": {}}, {"": None}, "1.2.3.4", "UPPER.example.com"]


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from spots(inner)


def mutated(data: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The configuration with one to three places changed, removed or exchanged."""
    changed = copy.deepcopy(data)
    for _ in range(rng.randint(1, 3)):
        everywhere = list(spots(changed))
        container, key = rng.choice(everywhere)
        match rng.randrange(4):
            case 0:
                del container[key]
            case 1:
                other, at = rng.choice(everywhere)
                if at in other if isinstance(other, dict) else at < len(other):
                    container[key] = copy.deepcopy(other[at])
            case 2 if isinstance(container, dict):
                container[str(rng.choice(ODD))] = container.pop(key)
            case _:
                container[key] = rng.choice(ODD)
    return changed


@pytest.mark.parametrize("name", FILES)
def test_every_damaged_file_is_refused_with_a_reason_or_comes_out_again(
    name: str, tmp_path: Path
) -> None:
    rng = random.Random(name)  # the same mutations at every run
    data = json.loads((FOLDER / name).read_text())
    taken = 0
    for _ in range(MUTATIONS):
        file = tmp_path / "config.data"
        file.write_text(json.dumps(mutated(data, rng)))
        try:
            _, snapshot = read_cluster(file)
        except (ConfigurationError, OpPrereqError):
            continue
        taken += 1
        again = json.loads(json.dumps(write_config(snapshot)))
        read_config(again)
    assert 0 < taken < MUTATIONS


@pytest.mark.parametrize(("text", "why"), [
    ("[" * 100_000, "nested too deeply"),
    ('{"a":' * 900 + "1" + "}" * 900, "nested too deeply"),
    ('{"version": 3000000, "x": ' + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1) + "}",
     "nested too deeply"),
    ("[]", "holds no configuration"), ("", "Cannot read"), ("{", "Cannot read"),
    ('{"version": NaN}', "Cannot read"), ('{"version": []}', "cannot be read"),
    ('{"version": 3000000}', "has no cluster"), ('{"version": 3000000, "cluster": []}', "cannot"),
    ('{"version": 3000000, "serial_no": -1}', "'serial_no'"),
    ('{"version": 3000000, "mtime": "x"}', "cannot be read"),
    ('{"version": 3000000, "instances": [1]}', "is no table"),
    ('{"version": 3000000, "x": "\\ud800"}', "not Unicode"),
])
def test_what_is_no_configuration_says_so(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "config.data"
    file.write_text(text)
    with pytest.raises((ConfigurationError, OpPrereqError), match=why):
        read_cluster(file)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.data"
    file.write_bytes(b'{"version": "\xff"}')
    with pytest.raises(OpPrereqError, match="Cannot read"):
        read_cluster(file)


@pytest.mark.parametrize(("kind", "name"), [
    ("nodes", "a b"), ("instances", "UPPER.example.com"), ("instances", "a\0"),
    ("nodegroups", "../x"), ("networks", "a\nb")])
def test_names_that_could_not_be_given_are_not_taken_over(
    kind: str, name: str, tmp_path: Path
) -> None:
    data = json.loads((FOLDER / "ganeti-3.0-lab.json").read_text())
    next(iter(data[kind].values()))["name"] = name
    file = tmp_path / "config.data"
    file.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match="cannot have the name"):
        read_cluster(file)
