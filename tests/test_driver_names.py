"""The core knows needs, never names: no driver of any kind is named in it.

What a driver can and needs is in its `Description`; which one an object uses is in the object.
Names of drivers belong to Ganeti's own formats, and only to the modules that translate those.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
CORE = TOP / "ganeti_core"

PLAIN_WORDS = frozenset({"file", "plain", "ext", "fake", "chroot", "bridged", "routed"})
"""Names that are words of their own, too: found only where a string is this and nothing else."""
NAMES = frozenset({
    "kvm", "lxc", "xen", "xen-pvm", "xen-hvm", "drbd", "drbd8", "sharedfile", "rbd", "gluster",
    "blockdev", "diskless", "hail", "openvswitch", "lvm"})
"""Names that mean a driver wherever they are part of an identifier or of a key."""
STORAGES = ("file_storage", "volume_group")
"""What single drivers store in, wherever an identifier or a key has it."""

FORMATS = {
    "config/ganeti_format.py": "config.data",
    "config/earlier.py": "databases of earlier versions of this project",
    "model/ganeti_settings.py": "the names that Ganeti's formats have for settings of drivers",
    "opcodes/cluster.py": "parameters of OP_CLUSTER_SET_PARAMS",
    "cli/cluster/ganeti_names.py": "old options of gnt-cluster, and titles of its info",
    "cli/node/minors.py": "a command of gnt-node, and the key of Ganeti's answer that it shows",
    "cli/instance/disks.py": "how gnt-instance info shows disks of Ganeti's templates",
}
"""Modules that translate Ganeti's own formats, and which; each must name drivers."""
OTHER_MEANINGS = {
    ("bootstrap/renew.py", "file"): "a step of renewing certificates",
    ("node/services/crypto.py", "file"): "a step of renewing certificates",
    ("cli/completion/declared.py", "file"): "what is completed: names of files",
    ("cli/completion/fish.py", "file"): "what is completed: names of files",
    ("cli/completion/words.py", "file"): "what is completed: names of files",
    ("cli/cluster/plugins.py", "plain"): "a form of tables",
    ("query_language/evaluate.py", "plain"): "how a comparison is made",
    ("cli/tools.py", "drbd"): "a command of gnt-node, in its list",
    ("query/instance_data.py", "drbd"): "a key of Ganeti's answer that is always there",
    ("query/instance_params.py", "kvm"): "names of Ganeti's fields of listings",
    ("query/instance_params.py", "blockdev"): "names of Ganeti's fields of listings",
    ("query/view.py", "xen"): "names of Ganeti's fields of listings",
    ("query/node.py", "openvswitch"): "titles of Ganeti's fields of listings",
    ("cli/cluster/settings.py", "volume_group"): "an option of gnt-cluster, in its list",
    ("opcodes/instance.py", "file_storage"): "a parameter of opcodes of instances",
    ("operations/instance/hardware.py", "file_storage"): "a parameter of opcodes of instances",
    ("cli/instance/settings.py", "file_storage"): "an option of gnt-instance",
    ("cli/instance/add.py", "file_storage"): "an option of gnt-instance add",
    ("cli/instance/modify.py", "file_storage"): "an option of gnt-instance modify",
}
"""Words that mean no driver where they stand, or that Ganeti's clients ask for."""


def test_the_core_names_no_driver() -> None:
    assert not offenders(), "ask for what a driver can or needs instead"


def test_what_names_no_driver_any_more_is_off_the_lists() -> None:
    assert [module for module in FORMATS if not set(names_in(CORE / module))] == []
    assert [(module, word) for module, word in OTHER_MEANINGS
            if word not in set(names_in(CORE / module))] == []


def offenders() -> dict[str, set[str]]:
    """The names in each module, but for those that have a reason."""
    found: dict[str, set[str]] = {}
    for path in sorted(CORE.rglob("*.py")):
        module = str(path.relative_to(CORE))
        names = {name for name in names_in(path) if (module, name) not in OTHER_MEANINGS}
        if names and module not in FORMATS:
            found[module] = names
    return found


def names_in(path: Path) -> Iterator[str]:
    """The drivers' names in identifiers and in strings; sentences are for people."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if not re.search(r"\s", text):
                if text in PLAIN_WORDS | NAMES:
                    yield text
                else:
                    yield from _parts(text)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(
                    arg=str(name)) | ast.alias(name=name):
                yield from _parts(name)
            case (ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name)
                  | ast.ClassDef(name=name)):
                yield from _parts(re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name))


def _parts(text: str) -> Iterator[str]:
    yield from (word for word in STORAGES if word in text.lower())
    for part in re.split(r"[^a-z0-9]+", text.lower()):
        if part in NAMES:
            yield part
