"""Call a hook as a node does when its master asks: everything passes through the wire format."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from member_lists import write_members

from ganeti_core.node.hooks import HookRequest, run_hook
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import fingerprint_of

API0 = Path(__file__).resolve().parents[1] / "data/plugin_api/api0"


def api0(kind: str) -> ModuleType:
    """The module with a plugin written for API 0 of `kind`, its class called ``Oldest``."""
    spec = importlib.util.spec_from_file_location(f"hooks_{kind}", API0 / f"{kind}_api0.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class OnANode:
    """One driver on one node."""

    world: World
    kind: Kind[Any]

    @classmethod
    def with_driver(cls, root: Path, kind: Kind[Any], driver: object) -> OnANode:
        host = PluginHost()
        host.add(kind, "mine", driver)
        identity = NodeIdentity("u-1", "node1.example.com", "127.0.0.1", 1811)
        paths = Paths(root)
        paths.make_directories()
        return cls(World(LocalNode(identity, paths), host), kind)

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook; its result as the master gets it."""
        sent = {name: json.loads(json.dumps(codec.encode(value)))
                for name, value in arguments.items()}
        answer = run_hook(self.world, HookRequest(self.kind.name, "mine", hook, sent, {}))
        return codec.decode_result(self.kind.hooks()[hook], json.loads(json.dumps(answer)))

    def with_streams(self) -> HookContext:
        """Give the node what its streams need; a context for their other end."""
        paths = self.world.local.paths
        certs.create_authority(paths, "cluster.example.com")
        certs.issue_local(paths, "u-1", "node1.example.com")
        write_members(paths, [fingerprint_of(paths.node_certificate)])
        return self.world.context("os", "other-end", {})
