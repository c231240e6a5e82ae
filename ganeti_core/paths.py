"""Every path on disk, under one root, so that many clusters fit on one host.

The layout below the root is Ganeti's (``var/lib/ganeti``, ``var/run/ganeti``, ...), so tools
that know where a cluster keeps its files find ours.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from ganeti_core.lazy_dataclass import dataclass

ROOT_VARIABLE = "GANETI_ROOT"
EXPORTS = PurePosixPath("/srv/ganeti/export")
"""The folder of exports, below a node's root: as users and clients name it."""

HELPERS = PurePosixPath("/srv/ganeti/helper")
"""The folder of the images that helper guests are booted from, below a node's root."""


@dataclass(frozen=True)
class Paths:
    """The files and folders of one node; `root` is ``/`` on a real host."""

    root: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """Take the root from ``GANETI_ROOT``, ``/`` where it is not set."""
        return cls(Path(os.environ.get(ROOT_VARIABLE) or "/"))

    @property
    def data(self) -> Path:
        """State that must survive a reboot."""
        return self.root / "var/lib/ganeti"

    @property
    def run(self) -> Path:
        """State that a reboot may lose: pid files, sockets."""
        return self.root / "var/run/ganeti"

    @property
    def sockets(self) -> Path:
        return self.run / "socket"

    @property
    def log(self) -> Path:
        return self.root / "var/log/ganeti"

    @property
    def etc(self) -> Path:
        return self.root / "etc/ganeti"

    @property
    def scripts(self) -> Path:
        """Directories of administrators' pre and post scripts (``NAME-pre.d``, ``NAME-post.d``)."""
        return self.etc / "hooks"

    @property
    def database(self) -> Path:
        """Config, jobs and the undo log of the master, or the replica of a candidate."""
        return self.data / "cluster.db"

    @property
    def config_data(self) -> Path:
        """The configuration as Ganeti writes it: an export."""
        return self.data / "config.data"

    @property
    def job_files(self) -> Path:
        """Folder of the jobs' files as Ganeti writes them: an export, where it is wanted."""
        return self.data / "queue"

    @property
    def plugin_states_kept(self) -> Path:
        """Parent of every plugin's private folder that survives a reboot."""
        return self.data / "plugins"

    def plugin_keep(self, kind: str, driver: str) -> Path:
        """A driver's private folder that survives a reboot."""
        return self.plugin_states_kept / kind / driver

    @property
    def epoch(self) -> Path:
        """The highest master epoch that this node has seen."""
        return self.data / "epoch"

    @property
    def calls(self) -> Path:
        """Outcomes of recent changing calls, asked for when a master lost the answer."""
        return self.data / "calls"

    @property
    def master_socket(self) -> Path:
        """The LUXI socket."""
        return self.sockets / "ganeti-query"

    @property
    def read_socket(self) -> Path:
        """The LUXI socket that only answers questions."""
        return self.sockets / "ganeti-read"

    @property
    def ca_certificate(self) -> Path:
        """The cluster's certificate authority, known to every node."""
        return self.data / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """The authority's private key, mode 0600, on master candidates only."""
        return self.data / "ca.key"

    @property
    def rapi_certificate(self) -> Path:
        """Certificate and key of the remote API, the same on all nodes."""
        return self.data / "rapi.pem"

    @property
    def rapi_users(self) -> Path:
        """Who may use the remote API, and for what."""
        return self.data / "rapi/users"

    @property
    def rapi_tokens(self) -> Path:
        """Tokens by which programs use the remote API, and for what."""
        return self.data / "rapi/tokens"

    @property
    def node_certificate(self) -> Path:
        return self.data / "node.pem"

    @property
    def node_key(self) -> Path:
        return self.data / "node.key"

    @property
    def ssconf(self) -> Path:
        """Folder of the ``ssconf_*`` files: one small fact each, for shell scripts."""
        return self.data

    @property
    def hosts(self) -> Path:
        """Names of this cluster's hosts; read before DNS is asked."""
        return self.root / "etc/hosts"

    @property
    def plugin_state(self) -> Path:
        """Parent of every plugin's private folder."""
        return self.run / "plugins"

    @property
    def reports(self) -> Path:
        """The newest reports of this node's data collectors, for the monitoring daemon."""
        return self.run / "reports"

    @property
    def os_logs(self) -> Path:
        return self.log / "os"

    def daemon_pid(self, daemon: str) -> Path:
        return self.run / f"{daemon}.pid"

    @property
    def directories(self) -> tuple[Path, ...]:
        """The folders that a node needs."""
        return (self.data, self.run, self.sockets, self.log, self.etc, self.scripts,
                self.plugin_state, self.os_logs, self.calls)

    def make_directories(self) -> None:
        """Create the folders that a node needs; those that exist keep their modes."""
        for folder in self.directories:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
