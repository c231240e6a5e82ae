"""``gnt-cluster init``: makes a cluster of this host; there is no master yet to ask."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster.ganeti_names import MOUNT_FOLDER
from ganeti_core.cli.cluster.given import given_settings
from ganeti_core.cli.cluster.settings import NO_SSH_KEYS, SETTINGS
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.node.preflight import said
from ganeti_core.cli.session import Command
from ganeti_core.cli.tools import CLUSTER
from ganeti_core.cli.waiting import submit
from ganeti_core.errors import OpPrereqError

if TYPE_CHECKING:
    from ganeti_core.bootstrap.init import InitOptions
    from ganeti_core.cli.session import Session

_NO_SSH = ("ssh_key_bits", "ssh_key_type")


def _init(session: Session, arguments: list[str]) -> int:
    from ganeti_core.bootstrap import local_daemons
    from ganeti_core.bootstrap.init import init_cluster

    _refuse_unavailable(session)
    options = _options(session, arguments[0])
    init_cluster(session.paths, options, _say)
    for daemon in (local_daemons.NODED, local_daemons.MASTERD):
        local_daemons.start(session.paths, daemon)
    if problem := local_daemons.start_rapi(session.paths):
        _say(f"WARNING: {problem}")
    submit(session, session.opcode("OP_CLUSTER_POST_INIT"))
    _look_around(session)
    return 0


def _look_around(session: Session) -> None:
    """Say what this host lacks to run the guests that the cluster was made for.

    That it cannot be looked at is no failure: the cluster is made.
    """
    from ganeti_core.bootstrap.preflight import ask_host, question_of

    asked = session.client.node_preflight()
    [(name, address)] = asked["nodes"].items()
    try:
        found = ask_host(question_of(asked, name, address), ())
    except OpPrereqError as exc:
        _say(f"WARNING: {exc.args[0]}. The cluster is made; gnt-cluster verify looks at it")
        return
    for line in said(name, found):
        _say(line)


def _say(note: str) -> None:
    print(note, file=sys.stderr, flush=True)


def _refuse_unavailable(session: Session) -> None:
    """Refuse all that cannot be done in one go, and name what does nothing.

    :raises errors.OpPrereqError: an option asks for what is not available
    """
    entry = CLUSTER.commands[session.command]
    refused = [spec.names[-1] for spec in _OPTIONS
               if session.option(spec.attributes["dest"]) and entry.refuses(spec.make())]
    version = session.options.primary_ip_version
    if version != "4":
        if version != "6":
            raise wrong_input(f"Invalid primary ip version value: '{version}' (4 or 6)")
        refused.append("--primary-ip-version=6")
    if refused:
        raise wrong_input(f"Not available in this version: {', '.join(refused)}")
    ssh = [spec.names[-1] for spec in _OPTIONS
           if spec.attributes["dest"] in _NO_SSH and session.option(spec.attributes["dest"])]
    if ssh:
        _say(f"WARNING: {NO_SSH_KEYS}: {', '.join(ssh)} has no effect")


def _options(session: Session, name: str) -> InitOptions:
    """Collect what was given, with the types that a new cluster's parameters have.

    :raises errors.GanetiError: something cannot be read
    """
    from ganeti_core.bootstrap.init import InitOptions, draft_of
    from ganeti_core.query.cluster import cluster_info

    plain = {field: value.split(",") for field in ("enabled_hypervisors", "enabled_disk_templates")
             if (value := session.option(field))}
    secondary = session.options.secondary_ip or ""
    draft = draft_of(session.paths, InitOptions(name, plain), _say)
    described = replace(session, described=cluster_info(draft.snapshot, draft.host))
    given = given_settings(described)
    given.pop("modify_etc_hosts")  # a new cluster does not, so one can only ask not to
    return InitOptions(name, given, secondary_ip=secondary)


def _ispecs(name: str, dest: str, what: str) -> opt.OptionSpec:
    return opt.value(name, dest=dest, type="keyval", default={},
                     help=f"{what}: min=n,max=n,std=n")


_OPTIONS = (
    *SETTINGS,
    opt.flag("--no-etc-hosts", dest="modify_etc_hosts", off=True,
             help="Accepted for compatibility: /etc/hosts is changed only where"
                  " gnt-cluster modify --modify-etc-hosts=yes says so"),
    opt.flag("--no-ssh-init", dest="modify_ssh_setup", off=True,
             help="Accepted for compatibility: no ssh keys are made"),
    opt.value("-s", "--secondary-ip", dest="secondary_ip", metavar="ADDRESS",
              help="Address of the node in the network for replication"),
    opt.value("--primary-ip-version", dest="primary_ip_version", metavar="4|6", default="4",
              help="IP version of the nodes' addresses; 6 is not available in this version"),
    MOUNT_FOLDER,
    opt.value("--ssh-key-bits", dest="ssh_key_bits", type="int",
              help=f"Accepted for compatibility: {NO_SSH_KEYS}"),
    opt.choice("--ssh-key-type", dest="ssh_key_type", choices=["dsa", "ecdsa", "rsa"],
               help=f"Accepted for compatibility: {NO_SSH_KEYS}"),
    _ispecs("--specs-cpu-count", "ispecs_cpu_count", "CPU count"),
    _ispecs("--specs-disk-count", "ispecs_disk_count", "Disk count"),
    _ispecs("--specs-disk-size", "ispecs_disk_size", "Disk size"),
    _ispecs("--specs-mem-size", "ispecs_mem_size", "Memory size"),
    _ispecs("--specs-nic-count", "ispecs_nic_count", "NIC count"),
)

COMMANDS = {"init": Command(_init, "[<opts>...] <cluster-name>", 1, 1, _OPTIONS)}
