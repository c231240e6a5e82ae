"""``gnt-cluster renew-crypto``: new certificates and keys, while the daemons go on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster.settings import NO_SSH_KEYS
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_FLAGS = ("new_rapi_cert", "new_spice_cert", "new_confd_hmac_key", "new_cluster_domain_secret")
_SSH = ("new_ssh_keys", "ssh_key_type", "ssh_key_bits")
_FILES = ("rapi_cert", "spice_cert", "spice_cacert", "cluster_domain_secret")


def _renew_crypto(session: Session, _arguments: list[str]) -> int:
    options = session.options
    ssh = [f"--{name.replace('_', '-')}" for name in _SSH if session.option(name)]
    if ssh:
        print(f"WARNING: {NO_SSH_KEYS}: {', '.join(ssh)} has no effect", file=sys.stderr)
    given: dict[str, Any] = {name: True for name in _FLAGS if getattr(options, name)}
    given |= {name: Path(value) for name in _FILES if (value := getattr(options, name))}
    nodes = options.new_node_cert or options.new_cluster_cert
    if not given and not nodes and ssh:
        return 0
    if not given and not nodes:
        raise wrong_input("Please pass at least one of the options that say what to renew")
    if not options.force and not ask(
            "This will renew certificates and keys on all nodes. Daemons go on, clients that keep"
            " a copy of an old one have to be told. Continue?"):
        return EXIT_FAILURE
    from ganeti_core.bootstrap.renew import Wish, contents, distribute, master_snapshot

    # Everything is checked before anything is changed.
    files = contents(Wish(**given), master_snapshot(session.paths).cluster.name)
    distribute(session.paths, files)
    if nodes:
        submit(session, session.opcode(
            "OP_CLUSTER_RENEW_CRYPTO", node_certificates=True,
            cluster_certificate=bool(options.new_cluster_cert), verbose=bool(options.verbose)))
    print("All requested certificates and keys have been replaced. Running \"gnt-cluster verify\""
          " now is recommended.")
    return 0


COMMANDS = {"renew-crypto": Command(_renew_crypto, "[<opts>...]", options=(
    opt.flag("--new-cluster-certificate", dest="new_cluster_cert",
             help="Make a new authority, and new certificates of all nodes"),
    opt.flag("--new-node-certificates", dest="new_node_cert",
             help="Make new certificates of all nodes"),
    opt.flag("--new-rapi-certificate", dest="new_rapi_cert",
             help="Make a new self-signed certificate for RAPI"),
    opt.value("--rapi-certificate", dest="rapi_cert", metavar="FILE",
              help="File with RAPI's new certificate and its key"),
    opt.flag("--new-confd-hmac-key", dest="new_confd_hmac_key", help="Make a new key for confd"),
    opt.flag("-f", "--force", dest="force", help="Do not ask for confirmation"),
    opt.flag("--new-cluster-domain-secret", dest="new_cluster_domain_secret",
             help="Make a new secret for moves between clusters"),
    opt.value("--cluster-domain-secret", dest="cluster_domain_secret", metavar="FILE",
              help="File with the new secret for moves between clusters"),
    opt.flag("--new-spice-certificate", dest="new_spice_cert",
             help="Make a new self-signed certificate for SPICE"),
    opt.value("--spice-certificate", dest="spice_cert", metavar="FILE",
              help="File with the new certificate for SPICE and its key"),
    opt.value("--spice-ca-certificate", dest="spice_cacert", metavar="FILE",
              help="File with the certificate of the authority that signed it"),
    opt.flag("--new-ssh-keys", dest="new_ssh_keys",
             help=f"Accepted for compatibility: {NO_SSH_KEYS}"),
    opt.flag("--no-ssh-key-check", dest="ssh_key_check", off=True,
             help="Accepted for compatibility"),
    opt.VERBOSE,
    opt.value("--ssh-key-bits", dest="ssh_key_bits", type="int",
              help=f"Accepted for compatibility: {NO_SSH_KEYS}"),
    opt.choice("--ssh-key-type", dest="ssh_key_type", choices=["dsa", "ecdsa", "rsa"],
               help=f"Accepted for compatibility: {NO_SSH_KEYS}"),
))}
