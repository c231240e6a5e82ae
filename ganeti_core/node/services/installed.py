"""What is installed on this node, which may be newer than what runs: asked before an upgrade.

Only a fresh process sees it. What it prints is read by daemons of the version before, so keys are
only ever added.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.config.database import SCHEMA_VERSION
from ganeti_core.errors import OpExecError
from ganeti_core.node.services.facts import own_version
from ganeti_core.node.world import load_node_host
from ganeti_core.plugin_api.all_kinds import KINDS

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.plugins import PluginHost

_MODULE = "ganeti_core.node.services.installed"
_MOST_SECONDS = 50.0


def described(host: PluginHost) -> dict[str, Any]:
    """Describe the code that runs in this process.

    ``version``; ``schema``: of the database; ``states``: kind/driver → the version of what it
    leaves on a node, of each driver of a distribution that can be used.
    """
    states = {f"{kind.name}/{name}": host.describe(kind, name).state_version
              for kind in KINDS.values() for name in host.names(kind)
              if not host.is_from_source(kind, name)}
    return {"version": own_version(), "schema": SCHEMA_VERSION, "states": states}


def installed(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"running": ..., "installed": ...}``, each as `described`.

    :raises OpExecError: what is installed does not even start; says why
    """
    return {"running": described(state.world.host), "installed": _of_the_disk()}


def _of_the_disk() -> dict[str, Any]:
    try:
        ran = subprocess.run([sys.executable, "-m", _MODULE], stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=_MOST_SECONDS, check=True)
        return dict(json.loads(ran.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as exc:
        last = exc.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OpExecError(f"what is installed does not start: {last[:500]}") from exc
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as exc:
        raise OpExecError(f"what is installed cannot be asked: {exc}") from exc


if __name__ == "__main__":
    sys.stdout.write(json.dumps(described(load_node_host())) + "\n")
