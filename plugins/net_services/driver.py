"""The network service ``dnsmasq``: its hooks, and the server of one network on one node."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ganeti_core.plugin_api import (
    CommandFailed,
    Description,
    HookContext,
    InstanceSpec,
    NicSpec,
    OpExecError,
    OpPrereqError,
    hookimpl,
    processes,
    run_command,
)
from ganeti_core.plugin_api.network import EXCLUSIVE, USER_MODE
from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork
from ganeti_core.plugin_api.run import DEFAULT_PATH

from . import files, handover, metadata

PROGRAMS = {"dnsmasq": "dnsmasq-base", "nft": "nftables", "ip": "iproute2", "nsenter": "util-linux",
            "unshare": "util-linux"}
"""What is run, and Debian's package of it."""
SETTINGS = {"type": "object", "properties": {"guest_dns_servers": {
    "type": "string", "default": "", "pattern": "^([0-9a-fA-F.:]+(,[0-9a-fA-F.:]+)*)?$",
    "description": "Addresses of the resolvers that guests of networks with the service dnsmasq "
                   "get, separated by commas; where none is given that is the service itself, "
                   "which knows names of guests only"}}}
PREFIX_LENGTH = 64
"""Of ranges of which interfaces make their addresses."""
READY_SECONDS = 20.0
POLL = 0.02
LIMIT = 10.0
NAMESPACE = uuid.UUID("5f0c3f53-6d5e-4c1f-9a43-0b7c6cde3f11")
UNPRIVILEGED = "nobody"
READ = "read"
"""A file that says which contents of the others the process has read."""


class DnsmasqService:
    """Runs one dnsmasq for each network of this node, in a network namespace of its own."""

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="DHCP, router advertisements and names, by dnsmasq",
                           settings=SETTINGS)

    @hookimpl
    def check(self, ctx: HookContext, networks: tuple[ServedNetwork, ...]) -> list[str]:
        if not networks:
            return []
        missing = [f"Network service dnsmasq needs the program {program} (Debian: {package})"
                   for program, package in PROGRAMS.items()
                   if not shutil.which(program, path=DEFAULT_PATH)]
        if os.geteuid() != 0:
            missing.append("Network service dnsmasq needs root: the node daemon runs as user "
                           f"{os.geteuid()}")
        if any(map(metadata.is_wanted, networks)) and not importlib.util.find_spec("waitress"):
            missing.append(f"The tag {metadata.TAG} needs the Python package waitress "
                           "(pip install 'ganeti-core[metadata]')")
        return missing + [problem for one in networks if (problem := _unfit(ctx, one))]

    @hookimpl
    def serve(
        self, ctx: HookContext, network: ServedNetwork, cards: tuple[ServedCard, ...]
    ) -> None:
        if problems := self.check(ctx, (network,)):
            raise OpExecError("; ".join(problems))
        server = Server.of(ctx, network)
        try:
            server.serve(cards)
        except CommandFailed as exc:
            raise OpExecError(f"dnsmasq cannot serve {_title(network)}: {exc.message}") from exc

    @hookimpl
    def end(self, ctx: HookContext, network: ServedNetwork) -> None:
        Server.of(ctx, network).end()


def _title(network: ServedNetwork) -> str:
    return f"network {(network.network or {}).get('name', network.uuid)}"


def _unfit(ctx: HookContext, network: ServedNetwork) -> str:
    """Why the cards of a network cannot be served, whatever the node has; empty if they can."""
    try:
        able = _capabilities(ctx, network)
    except OpPrereqError as exc:
        return exc.message
    if USER_MODE in able:
        return (f"Network service dnsmasq cannot serve {_title(network)} where cards have the mode "
                f"{network.mode}: the node has no end of them")
    six = files.Ranges.of(network).six
    if six is not None and six.prefixlen != PREFIX_LENGTH:
        return (f"Network service dnsmasq cannot serve {_title(network)}: of its IPv6 range {six} "
                "guests make no addresses, for it is not a /64")
    return ""


def _capabilities(ctx: HookContext, network: ServedNetwork) -> frozenset[str]:
    about: Description = ctx.driver("network_backends", network.mode, "describe")
    return about.capabilities


@dataclass(frozen=True)
class Server:
    """The dnsmasq of one network; its process, if any, carries `name`.

    :param is_apart: whether cards share no segment with it, so that frames are handed over
    """

    ctx: HookContext
    network: ServedNetwork
    name: str
    is_apart: bool = False

    @classmethod
    def of(cls, ctx: HookContext, network: ServedNetwork) -> Server:
        parts = "\0".join((network.uuid, network.mode, network.link, network.vlan))
        name = hashlib.sha256(parts.encode()).hexdigest()[:16]
        try:
            apart = EXCLUSIVE in _capabilities(ctx, network)
        except OpPrereqError:  # the back end was uninstalled
            apart = False
        return cls(ctx, network, name, apart)

    @property
    def folder(self) -> Path:
        return self.ctx.state / self.name

    @property
    def device(self) -> str:
        """The node's end of the server's interface. It has the prefix of guests' interfaces: it
        does not lead out of the node either.
        """
        return "veth" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:11]

    @property
    def _log(self) -> Path:
        return self.ctx.logs / f"{self.name}.log"

    def serve(self, cards: Sequence[ServedCard]) -> None:
        """Serve `cards`, with a new process where none runs or its configuration has changed.

        :raises CommandFailed: it does not run, or its rules cannot be loaded
        """
        self.folder.mkdir(mode=0o750, exist_ok=True)
        user = _user(self.folder)
        config = files.config(self.folder, self.network, user, self.is_apart)
        texts = {
            files.HOSTS: files.hosts(self.network, cards),
            files.OPTIONS: files.options(self.network, cards, self.ctx.config),
            files.NAMES: files.names(self.network, cards), "guard": files.guard(cards)}
        wanted = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()
        ranges = files.Ranges.of(self.network)
        self._write({**texts, metadata.FILE: metadata.document(
            cards, lambda card: ranges.addresses(card.nic))})
        mac = handover.own_mac(self.device) if self.is_apart else ""
        setup = "\n".join((*files.setup(self.folder, self.network, user, mac), ""))
        fixed = hashlib.sha256((config + setup).encode()).hexdigest()
        found = processes.kept(self.ctx).get(self.name)
        if found is None or found.facts.get("fixed") != fixed or not self._is_ready(found):
            self._begin({files.CONFIG: config, "setup": setup}, fixed)
        elif self._has_read() != wanted:
            self._read_again(found)
        self._write({READ: wanted})
        if self.is_apart:
            handover.begin(self.name, self.device, handover.Place(
                mac, files.own_six(self.network, mac)), cards)
        else:
            self._attach()

    def end(self) -> None:
        """End the process; with it goes its namespace, and the interface in it.

        :raises OpExecError: its interface cannot be detached
        """
        processes.end(self.ctx, self.name)
        with suppress(CommandFailed):  # a node without nftables has no such rules
            handover.end(self.name)
        with suppress(OpPrereqError):  # the back end was uninstalled: nobody can be asked
            self.ctx.driver("network_backends", self.network.mode, "detach", **self._card())
        # The kernel takes it away, too, but when it has time.
        with suppress(CommandFailed):
            run_command(["ip", "link", "del", "dev", self.device], timeout=LIMIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_read(self) -> str:
        try:
            return (self.folder / READ).read_text()
        except FileNotFoundError:
            return ""

    def _read_again(self, found: processes.Kept) -> None:
        run_command(["nsenter", "-t", str(found.pids[0]), "-n", "nft", "-f",
                     self.folder / "guard"], timeout=LIMIT)
        pid = self._pid()
        (self.folder / files.PID).unlink()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        self._wait_ready()

    def _begin(self, texts: dict[str, str], fixed: str) -> None:
        processes.end(self.ctx, self.name)
        with suppress(CommandFailed):
            run_command(["ip", "link", "del", "dev", self.device], timeout=LIMIT)
        (self.folder / files.PID).unlink(missing_ok=True)
        self._write(texts)
        self._log.unlink(missing_ok=True)
        processes.begin(
            self.ctx, self.name,
            ["unshare", "-n", "sh", self.folder / "setup", str(os.getpid()), self.device],
            facts={"fixed": fixed})
        self._wait_ready()

    def _wait_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            found = processes.kept(self.ctx).get(self.name)
            if found is not None and self._is_ready(found):
                return
            if found is None or time.monotonic() > until:
                said = self._log.read_text(errors="replace")[-500:] if self._log.exists() else ""
                processes.end(self.ctx, self.name)
                raise CommandFailed(f"it did not start: {said.strip() or 'without a word'}")
            time.sleep(POLL)

    def _is_ready(self, found: processes.Kept) -> bool:
        """Its pid file is written when it has read its configuration and opened its sockets."""
        return self._pid() in found.pids

    def _pid(self) -> int:
        """The number in its pid file; 0 while there is none."""
        try:
            return int((self.folder / files.PID).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _attach(self) -> None:
        self.ctx.driver("network_backends", self.network.mode, "attach", **self._card())

    def _card(self) -> dict[str, object]:
        """The server's interface as a network back end knows cards; in no network of its own."""
        nic = NicSpec(
            str(uuid.uuid5(NAMESPACE, self.device)), 0, "aa:00:00:00:00:00",
            mode=self.network.mode, link=self.network.link, vlan=self.network.vlan,
            name="dnsmasq")
        owner = InstanceSpec(self.network.uuid, f"dnsmasq-{self.name}", "none", nics=(nic,))
        return {"nic": nic, "instance": owner, "device": self.device}

    def _write(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            draft = self.folder / f"{name}.new"
            draft.write_text(text)
            draft.chmod(0o640)
            draft.replace(self.folder / name)


def _user(folder: Path) -> str:
    """Whom dnsmasq becomes: nobody, in the group root, if that one reaches its files."""
    for path in (folder, *folder.parents):
        about = path.stat()
        if not (about.st_mode & 0o001 or (about.st_gid == 0 and about.st_mode & 0o010)):
            return "root"
    return UNPRIVILEGED
