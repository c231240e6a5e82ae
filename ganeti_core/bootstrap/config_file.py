"""Take over the configuration of a Ganeti cluster, or write ours in its form."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap.founding import all_or_nothing, new_cluster_here
from ganeti_core.bootstrap.init import found_cluster
from ganeti_core.bootstrap.renew import make_shared_files
from ganeti_core.config.codec import encode_object
from ganeti_core.config.database import Database, Write
from ganeti_core.config.ganeti_format import UNREADABLE, read_config, write_config
from ganeti_core.config.journal import Journal
from ganeti_core.config.store import load, snapshot_of
from ganeti_core.config.validate import check_claims, check_references
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_STATE,
    ConfigurationError,
    OpPrereqError,
)
from ganeti_core.model import KINDS, Cluster, Instance, Network, Node, NodeGroup
from ganeti_core.model.names import host_name
from ganeti_core.resolve import own_name
from ganeti_core.rpc import certs
from ganeti_core.rpc.members import Member, MemberList

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import ConfigObject
    from ganeti_core.paths import Paths

DEEPEST = 50
_KIND_OF = {cls: str(kind) for kind, cls in KINDS.items()}


def export_config(paths: Paths, *, own: bool = False) -> str:
    """Write the configuration as ``config.data``; any master candidate can, running or not.

    :param own: with what Ganeti has no place for (see `config.ganeti_format`)
    :raises OpPrereqError: there is no copy of the configuration on this node
    """
    if not paths.database.exists():
        raise OpPrereqError("This node has no copy of the configuration", ECODE_STATE)
    with closing(Database(paths.database)) as database:
        data = write_config(load(database), own=own)
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def import_config(paths: Paths, file: Path) -> Snapshot:
    """Make this host the master of the cluster that `file` describes.

    Its other nodes keep their place; each must be enrolled (``gnt-node add --readd``).

    :raises OpPrereqError: there is a cluster here already, this host is a node of one, the file
        cannot be read, or this host is none of its nodes; nothing was written
    :raises ConfigurationError: it is no configuration, or contradicts itself
    """
    with new_cluster_here(paths):
        return _import(paths, file)


def _import(paths: Paths, file: Path) -> Snapshot:
    objects, snapshot = read_cluster(file)
    node = _own_node(objects)
    with all_or_nothing(paths):
        certs.create_authority(paths, snapshot.cluster.name)
        fingerprint = certs.issue_local(paths, node.uuid, node.name)
        first = Member(node.uuid, node.name, node.primary_ip, node.port, (fingerprint,), True)
        found_cluster(paths, MemberList(1, snapshot.serial, (first,)))
        make_shared_files(paths, snapshot.cluster.name, keep=True)
        # Certificates of an earlier cluster are worth nothing here.
        objects = [_adapted(value, node.uuid, fingerprint) for value in objects]
        _write(paths, objects, snapshot.serial)
        # Last: see `founding`.
        certs.write_node_identity(paths, node.uuid, node.name, node.primary_ip, node.port)
    return snapshot


def read_cluster(file: Path) -> tuple[list[ConfigObject], Snapshot]:
    """Read a ``config.data``: its objects, and the configuration that they make.

    :raises OpPrereqError: the file cannot be read
    :raises ConfigurationError: it is no configuration, or contradicts itself
    """
    data = _read(file)
    objects = read_config(data)
    try:
        snapshot = _checked(objects, int(data.get("serial_no", 1)))
        # What comes in must also come out again.
        json.dumps(write_config(snapshot), allow_nan=False)
    except UNREADABLE as exc:
        raise ConfigurationError(f"{file} cannot be taken over: {exc!r}") from exc
    return objects, snapshot


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError) as exc:
        raise OpPrereqError(f"Cannot read {file}: {exc}", ECODE_INVAL) from exc
    except RecursionError as exc:
        raise ConfigurationError(f"{file} is nested too deeply") from exc
    if not isinstance(data, dict):
        raise ConfigurationError(f"{file} holds no configuration")
    _check_depth(file, data)
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise ConfigurationError(f"{file} has text that is not Unicode: {exc}") from exc
    return data


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _check_depth(file: Path, data: Any) -> None:
    """:raises ConfigurationError: tables and lists are nested deeper than any configuration's"""
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (
            outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)]
        if not level:
            return
    raise ConfigurationError(f"{file} is nested too deeply (more than {DEEPEST} levels)")


def _own_node(objects: Sequence[ConfigObject]) -> Node:
    name = own_name()
    for value in objects:
        if isinstance(value, Node) and name in (value.name, value.name.partition(".")[0]):
            return value
    raise OpPrereqError(f"This host, {name}, is no node of that cluster", ECODE_NOENT)


def _checked(objects: Sequence[ConfigObject], serial: int) -> Snapshot:
    """:raises ConfigurationError: a reference leads nowhere, or something is claimed twice"""
    _check_names(objects)
    snapshot = snapshot_of(((_KIND_OF[type(value)], value.uuid, value) for value in objects),
                           {"config_serial": str(serial), "epoch": "1"})
    for value in objects:
        check_references(snapshot, value)
        try:
            check_claims(snapshot, value)
        except OpPrereqError as exc:
            raise ConfigurationError(f"{type(value).__name__} {value.uuid}: {exc.message}"
                                     ) from exc
    if snapshot.cluster.master_node not in snapshot.nodes:
        raise ConfigurationError("the cluster's master is none of its nodes")
    return snapshot


def _check_names(objects: Sequence[ConfigObject]) -> None:
    """:raises ConfigurationError: a name could not have been given here; names reach files"""
    for value in objects:
        name = getattr(value, "name", None)
        if isinstance(value, Cluster | Instance | Node):
            try:
                fits = host_name(value.name) == value.name
            except OpPrereqError:
                fits = False
        elif isinstance(value, Network | NodeGroup):
            fits = value.name.isprintable() and "/" not in value.name and value.name != ""
        else:
            fits = name is None or name.isprintable()
        if not fits:
            raise ConfigurationError(
                f"{type(value).__name__} {value.uuid} cannot have the name {name!r}")


def _adapted(value: ConfigObject, own: str, fingerprint: str) -> ConfigObject:
    if isinstance(value, Cluster):
        return replace(value, master_node=own)
    if isinstance(value, Node):
        if value.uuid == own:
            return replace(value, master_candidate=True, offline=False, drained=False,
                           fingerprint=fingerprint)
        return replace(value, fingerprint="")
    return value


def _write(paths: Paths, objects: Sequence[ConfigObject], serial: int) -> None:
    journal = Journal(paths.database)
    try:
        journal.write([
            *(Write("object", (_KIND_OF[type(value)], value.uuid), encode_object(value))
              for value in objects),
            Write("meta", ("schema",), "1"), Write("meta", ("config_serial",), str(serial)),
            Write("meta", ("epoch",), "1"), Write("meta", ("last_job",), "0")])
    finally:
        journal.close()
