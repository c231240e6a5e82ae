"""Whether a host can be a node of a cluster: looked at on the host itself, before it is one.

Nothing is changed. What is asked comes as data from the master, so that the host needs nothing of
the cluster; drivers are asked the same as when the cluster is verified.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.hooks import HookRequest, run_hook
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.services.facts import own_version
from ganeti_core.node.services.verify import mount_problems
from ganeti_core.node.world import World
from ganeti_core.pid_file import is_held
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.resolve import own_name, resolve, why_not_own
from ganeti_core.rpc.identity import DEFAULT_PORT, NodeIdentity, identity_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost

LEAST_ROOM = 200
"""MiB for the node's own files."""
CONNECT_SECONDS = 5.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Question:
    """What the master wants of a host that is to be a node.

    :param name: of the host as a node, and its addresses; the second may be empty
    :param is_known: it is a node already, or comes back
    :param version: of the master's program
    :param master: name, address and port of the master's node daemon
    :param nodes: name → address of the nodes that there are
    :param writes_hosts: whether the cluster puts its nodes into their hosts files
    :param links: mode → links of the cards of new instances, as the contract encodes them
    :param settings: what drivers get as `ctx.config`
    """

    name: str
    address: str
    secondary_address: str = ""
    is_known: bool = False
    version: str = ""
    master: tuple[str, str, int] = ("", "", 0)
    port: int = DEFAULT_PORT
    nodes: Mapping[str, str] = field(default_factory=dict)
    writes_hosts: bool = False
    hypervisors: Sequence[str] = ()
    disk_templates: Sequence[str] = ()
    links: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and what puts it right; an error keeps the host from being a node.
    """

    severity: Literal["error", "warning"]
    what: str
    remedy: str = ""


def preflight(paths: Paths, host: PluginHost, asked: Question) -> list[Finding]:
    """Look at this host, and return what is wrong with it."""
    local = LocalNode(NodeIdentity("", asked.name, asked.address, asked.port), paths)
    return [*_system(paths), *_membership(paths, asked), *_addresses(asked), *_names(paths, asked),
            *_port(paths, asked), *_master(asked), *_version(asked),
            *_drivers(World(local, host), asked)]


def _system(paths: Paths) -> Iterator[Finding]:
    if paths.root == Path("/") and os.geteuid() != 0:
        yield Finding("error", "the node daemon needs to be root", "run it as root")
    for problem in mount_problems():
        yield Finding("error", problem, "mount it at boot, see /etc/fstab")
    place = paths.data
    while not place.exists():
        place = place.parent
    room = shutil.disk_usage(place).free // _MIB
    if room < LEAST_ROOM:
        yield Finding("error", f"there are only {room} MiB left for {paths.data}",
                      f"make room: {LEAST_ROOM} MiB are needed at least")


def _membership(paths: Paths, asked: Question) -> Iterator[Finding]:
    if asked.is_known or not identity_file(paths).exists():
        return
    yield Finding("error", f"this host is a node already: there is {identity_file(paths)}",
                  "remove it from that cluster first, or give gnt-node add --force-join")


def _addresses(asked: Question) -> Iterator[Finding]:
    own = own_name().lower().removesuffix(".")
    if own.split(".")[0] != asked.name.split(".")[0]:
        yield Finding("warning", f"this host calls itself {own}, not {asked.name}",
                      f"hostnamectl set-hostname {asked.name}")
    for address in filter(None, (asked.address, asked.secondary_address)):
        if why_not_own(address):
            yield Finding(
                "error", f"no network interface of this host has the address {address}",
                f"configure it (ip address add {address}/PREFIX dev INTERFACE, and in the host's "
                f"network settings), or correct what {asked.name} resolves to")


def _names(paths: Paths, asked: Question) -> Iterator[Finding]:
    hosts = paths.hosts if paths.hosts.exists() else "/etc/hosts"
    for name, address in {**asked.nodes, asked.name: asked.address}.items():
        line = f"echo '{address} {name} {name.split('.')[0]}' >> {hosts}"
        try:
            found = resolve(paths, name).address
        except GanetiError:
            if not asked.writes_hosts:
                yield Finding("error", f"the name {name} does not resolve here", line)
            continue
        if found != address:
            yield Finding("error", f"the name {name} resolves to {found} here, and to {address} "
                          "on the master", f"correct {hosts} or the name service")


def _port(paths: Paths, asked: Question) -> Iterator[Finding]:
    if is_held(paths.daemon_pid("ganeti-noded")) or why_not_own(asked.address):
        return  # it is our own daemon's, or there is no such address, which was said
    family = socket.AF_INET6 if ":" in asked.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((asked.address, asked.port))
        except OSError as exc:
            yield Finding("error", f"TCP port {asked.port} cannot be used: {exc.strerror}",
                          f"see who has it: ss -ltnp 'sport = :{asked.port}'")


def _master(asked: Question) -> Iterator[Finding]:
    name, address, port = asked.master
    if name == asked.name:
        return
    try:
        socket.create_connection((address, port), CONNECT_SECONDS).close()
    except OSError as exc:
        yield Finding("error", f"the master {name} cannot be reached at {address} port {port}: "
                      f"{exc.strerror or exc}", f"let TCP port {port} through between the nodes")


def _version(asked: Question) -> Iterator[Finding]:
    if asked.version != own_version():
        yield Finding("warning", f"the version here is {own_version()}, and on the master "
                      f"{asked.version}", "install the same version")


def _drivers(world: World, asked: Question) -> Iterator[Finding]:
    for kind, names in ((HYPERVISORS, asked.hypervisors), (DISK_TEMPLATES, asked.disk_templates)):
        for name in names:
            yield from _driver(world, asked, kind, name, "verify", {})
    for mode, links in asked.links.items():
        yield from _driver(world, asked, NETWORK_BACKENDS, mode, "check", {"links": list(links)})


def _driver(
    world: World, asked: Question, kind: Kind[Any], name: str, hook: str,
    arguments: dict[str, Any],
) -> Iterator[Finding]:
    title = f"{kind.title} {name}"
    if not world.host.has(kind, name):
        yield Finding("error", f"{title} is not installed here",
                      "install the distribution that has it on the master")
        return
    try:
        problems = run_hook(world, HookRequest(
            kind.name, name, hook, arguments, dict(asked.settings)))
    except GanetiError as exc:
        problems = [str(exc)]
    for problem in problems:
        said = problem["message"] if isinstance(problem, Mapping) else problem
        yield Finding("error", f"{title}: {said}")
