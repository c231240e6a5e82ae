"""``config.ini`` of an export, in Ganeti's form: what an instance was, and the files of its disks.

Its parameters are filled: an import may be on another cluster, with other defaults. Written besides
what Ganeti knows are ``diskN_mode``, ``diskN_bytes`` (the size of the file) and the sections
``os_variables``, ``hypervisor_state`` and ``exact``; Ganeti passes over them. ``exact`` has, by
their section, the values which the form cannot hold: of a text of several lines it loses how far
each is indented, and comments.
"""

from __future__ import annotations

import configparser
import io
import json
import re
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import ECODE_ENVIRON, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Disk, Instance

VERSION = 0
MOST_DEVICES = 64
NIC_SETTINGS = ("mac", "ip", "name", "network", "mode", "link", "vlan")
_FILE = re.compile(r"[A-Za-z0-9_:+-][A-Za-z0-9_.:+-]*")
_NONE = "none"
_EXACT = "exact"


@dataclass(frozen=True)
class ExportedDisk:
    """A disk of an export.

    :param dump: its file; empty where the disk was not exported
    :param bytes: of the file; None in an export of Ganeti
    """

    size: int
    name: str | None = None
    mode: Literal["rw", "ro"] = "rw"
    dump: str = ""
    bytes: int | None = None


@dataclass(frozen=True)
class Exported:
    """An instance as its export describes it; values of parameters are texts, None for none.

    :param nics: by `NIC_SETTINGS`
    :param variables: what its OS wants to see again
    :param state: what its hypervisor kept of it beside its disks, and which one that was
    """

    name: str
    os: str = ""
    hypervisor: str | None = None
    disk_template: str | None = None
    disks: tuple[ExportedDisk, ...] = ()
    nics: tuple[dict[str, str | None], ...] = ()
    tags: tuple[str, ...] = ()
    hvparams: dict[str, str | None] = field(default_factory=dict)
    beparams: dict[str, str | None] = field(default_factory=dict)
    osparams: dict[str, str | None] = field(default_factory=dict)
    osparams_private: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)
    state: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """What is written of an instance.

    :param filled: its parameters by their section: ``hypervisor``, ``backend``, ``os``,
        ``os_private``, ``os_variables``, ``hypervisor_state``
    :param nics: its network cards, by `NIC_SETTINGS`
    :param disks: each with the bytes of its file, which is called as the disk's uuid
    """

    instance: Instance
    filled: Mapping[str, Mapping[str, Any]]
    nics: Sequence[Mapping[str, Any]]
    disks: Sequence[tuple[Disk, int]]


def written(described: Described) -> str:
    """Write the file."""
    instance, beparams = described.instance, described.filled["backend"]
    parser = _parser()
    parser["export"] = {
        "version": str(VERSION), "timestamp": str(int(time.time())),
        "source": instance.primary_node, "os": instance.os, "compression": _NONE}
    about: dict[str, Any] = {
        "name": instance.name, "maxmem": beparams["maxmem"], "minmem": beparams["minmem"],
        "memory": beparams["maxmem"], "vcpus": beparams["vcpus"],
        "disk_template": instance.disk_template, "hypervisor": instance.hypervisor,
        "tags": " ".join(instance.tags)}
    for at, nic in enumerate(described.nics):
        about |= {f"nic{at}_{name}": nic.get(name) for name in NIC_SETTINGS}
    about["nic_count"] = len(described.nics)
    for at, (disk, size) in enumerate(described.disks):
        about |= {
            f"disk{at}_ivname": f"disk/{at}", f"disk{at}_dump": disk.uuid,
            f"disk{at}_size": disk.size, f"disk{at}_name": disk.name,
            f"disk{at}_mode": disk.mode, f"disk{at}_bytes": size}
    about["disk_count"] = len(described.disks)
    parser["instance"] = _texts(about)
    for section, values in described.filled.items():
        parser[section] = _texts(values)
    odd = {section: kept for section, values in described.filled.items() if (kept := {
        name: said for name, value in values.items() if not _is_kept(said := _text(value))})}
    if odd:
        parser[_EXACT] = _texts(odd)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _parser() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    # Names of variables differ by upper and lower case.
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # as its manual says
    return parser


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    # Who reads it takes a percent sign for the beginning of a reference.
    return {name: _text(value).replace("%", "%%") for name, value in values.items()}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _is_kept(text: str) -> bool:
    """Whether the form gives a value back as it was."""
    return text == text.strip() and not {"\n", "\r"}.intersection(text)


def read(text: str, path: str) -> Exported:
    """Read the file.

    :param path: of the export, for messages
    :raises OpPrereqError: it is damaged, or of another version (`ECODE_ENVIRON`)
    """
    parser = _parser()
    try:
        parser.read_string(text)
        reader = _Reader(parser, path)
        for section in ("export", "instance"):
            if not parser.has_section(section):
                raise reader.damaged(f"there is no section [{section}]")
        if (version := reader.number("export", "version")) != VERSION:
            raise OpPrereqError(f"Wrong export version {version} (wanted {VERSION})",
                                ECODE_ENVIRON)
        return _exported(reader)
    except configparser.Error as exc:
        raise _damaged(path, str(exc).replace("\n", " ")) from exc


def _exported(reader: _Reader) -> Exported:
    name = reader.text("instance", "name")
    if not name:
        raise reader.damaged("the instance has no name")
    beparams = reader.section("backend")
    for one in ("memory", "maxmem", "minmem", "vcpus") if not beparams else ():
        # Where Ganeti wrote them before it had a section for them.
        if (value := reader.text("instance", one)) is not None:
            beparams[one] = value
    return Exported(
        name, reader.text("export", "os") or "", reader.text("instance", "hypervisor"),
        reader.text("instance", "disk_template"), reader.disks(), reader.nics(),
        tuple((reader.text("instance", "tags") or "").split()), reader.section("hypervisor"),
        beparams, reader.section("os"), reader.section("os_private"),
        reader.section("os_variables"), reader.section("hypervisor_state"))


@dataclass(frozen=True)
class _Reader:
    parser: configparser.ConfigParser
    path: str

    def damaged(self, why: str) -> OpPrereqError:
        return _damaged(self.path, why)

    def text(self, section: str, name: str) -> str | None:
        value = self.parser.get(section, name, fallback=_NONE)
        return None if value.lower() == _NONE else value

    def number(self, section: str, name: str, default: int | None = None) -> int:
        value = self.text(section, name)
        if value is None and default is not None:
            return default
        try:
            return int(value or "")
        except ValueError:
            raise self.damaged(f"{name} in [{section}] is {value!r}, not a number") from None

    def section(self, name: str) -> dict[str, str | None]:
        if not self.parser.has_section(name):
            return {}
        # Here ``none`` may be a value of its own.
        found = {key: None if value == str(None) else value
                 for key, value in self.parser.items(name)}
        return {**found, **self._exact(name)}

    def _exact(self, name: str) -> dict[str, str]:
        try:
            found = json.loads(self.parser.get(_EXACT, name, fallback="{}"))
        except (ValueError, RecursionError) as exc:
            raise self.damaged(f"{name} in [{_EXACT}] is no JSON: {exc}") from exc
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise self.damaged(f"{name} in [{_EXACT}] is no table of texts")
        return found

    def disks(self) -> tuple[ExportedDisk, ...]:
        found = []
        for at in range(MOST_DEVICES):
            if not self.parser.has_option("instance", f"disk{at}_size"):
                break
            dump = self.text("instance", f"disk{at}_dump") or ""
            if dump and not _FILE.fullmatch(dump):
                raise self.damaged(f"disk{at}_dump is {dump!r}, not the name of a file")
            size = self.number("instance", f"disk{at}_bytes", -1)
            mode = self.text("instance", f"disk{at}_mode") or "rw"
            found.append(ExportedDisk(
                self.number("instance", f"disk{at}_size"),
                self.text("instance", f"disk{at}_name"), "ro" if mode == "ro" else "rw", dump,
                size if size >= 0 else None))
        return tuple(found)

    def nics(self) -> tuple[dict[str, str | None], ...]:
        found = []
        for at in range(MOST_DEVICES):
            if not self.parser.has_option("instance", f"nic{at}_mac"):
                break
            found.append({name: self.text("instance", f"nic{at}_{name}")
                          for name in NIC_SETTINGS})
        return tuple(found)


def _damaged(path: str, why: str) -> OpPrereqError:
    return OpPrereqError(f"Corrupted export config: config.ini in {path} is damaged: {why}",
                         ECODE_ENVIRON)
