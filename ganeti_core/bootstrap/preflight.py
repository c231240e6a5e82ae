"""Ask a host whether it can be a node, by ssh or here; `node.preflight` looks at it."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganeti_core.clocks import LARGEST_SKEW, NOTABLE_SKEW, skew
from ganeti_core.errors import ECODE_ENVIRON, OpPrereqError
from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.params import fill
from ganeti_core.node.preflight import Finding, Question
from ganeti_core.node.services.facts import own_version
from ganeti_core.operations.networking import uses_node_networks
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import NetworkLink
from ganeti_core.plugin_api.run import CommandFailed, run_command
from ganeti_core.plugin_settings import settings_of
from ganeti_core.resolve import own_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.plugins import PluginHost

PROGRAM = ("ganeti-noded", "preflight")
LIMIT = 600.0
"""Seconds. Where a processor is emulated, beside others, the imports alone took two minutes."""


def cluster_part(snapshot: Snapshot, host: PluginHost) -> dict[str, Any]:
    """Return what is asked of every host of this cluster, as plain data (see `Question`)."""
    cluster, master = snapshot.cluster, snapshot.master
    card = fill(NICPARAMS_DEFAULTS, cluster.nicparams.get("default", {}))
    links = {card["mode"]: [NetworkLink(card["link"], card["vlan"])]} if any(
        uses_node_networks(host, name) for name in cluster.enabled_hypervisors) else {}
    return {
        "version": own_version(), "port": master.port,
        "master": [master.name, master.primary_ip, master.port],
        "nodes": {node.name: node.primary_ip for node in snapshot.nodes.values()},
        "writes_hosts": cluster.modify_etc_hosts,
        "hypervisors": list(cluster.enabled_hypervisors),
        "disk_templates": list(cluster.enabled_disk_templates),
        "links": codec.encode(links), "settings": codec.encode(settings_of(host, snapshot)),
    }


def ask_host(question: Question, ssh: Sequence[str]) -> list[Finding]:
    """Have the host looked at: here where it is this one, else through `ssh` (words and target).

    :raises OpPrereqError: it cannot be asked
    """
    here = own_name().lower().removesuffix(".") == question.name
    words = [sys.executable, "-m", "ganeti_core.daemons.noded", PROGRAM[1]] if here else [
        *ssh, *PROGRAM]
    asked = time.time()
    try:
        # With the user's environment: ssh finds the user's agent and settings by it.
        done = run_command(words, timeout=LIMIT, env=os.environ,
                           stdin=json.dumps(asdict(question)) + "\n")
        answered, told = time.time(), json.loads(done.stdout)
        return [*(Finding(**one) for one in told["findings"]),
                *_clock(skew(told["time"], asked, answered))]
    except CommandFailed as exc:
        needed = "" if here else (
            ". It must be reached by ssh as root, and this program must be installed there")
        raise OpPrereqError(f"The host {question.name} cannot be looked at: {exc}{needed}",
                            ECODE_ENVIRON) from exc
    except (LookupError, ValueError, TypeError) as exc:
        raise OpPrereqError(f"The host {question.name} gave an answer of another form: {exc}",
                            ECODE_ENVIRON) from exc


def _clock(ahead: float) -> list[Finding]:
    if abs(ahead) <= NOTABLE_SKEW:
        return []
    return [Finding("error" if abs(ahead) > LARGEST_SKEW else "warning",
                    f"the clock differs from the master's by {ahead:+.0f} s",
                    "let both keep the time by a service: apt-get install chrony")]


def question_of(
    asked: Mapping[str, Any], name: str, address: str, secondary: str = "", *,
    is_known: bool = False,
) -> Question:
    """Return the whole question for one host.

    :param asked: what `cluster_part` returned
    """
    return Question(**{
        **asked, "name": name, "address": address, "secondary_address": secondary,
        "is_known": is_known or name in asked["nodes"], "master": tuple(asked["master"])})
