"""The program: its options, its order, its exit status."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

from ganeti_core.cli.values import parse_duration
from ganeti_core.daemons.on_master import EXIT_NOT_MASTER
from ganeti_core.daemons.process import add_version, use_private_cache
from ganeti_core.daemons.watcher import local, node_health, repairs
from ganeti_core.daemons.watcher.notes import Notes, notes_file
from ganeti_core.daemons.watcher.seen import Seen, find_group, look
from ganeti_core.errors import GanetiError, JobQueueDrained
from ganeti_core.logs import set_up_logging
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.paths import Paths
from ganeti_core.pid_file import AlreadyRunning, PidFile
from ganeti_core.rpc.atomic import write_atomically
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "ganeti-watcher"

log = logging.getLogger(__name__)


def run(argv: Sequence[str] | None = None) -> int:
    """Run ``ganeti-watcher`` once; return the exit status."""
    options = make_parser().parse_args(argv)
    paths = Paths.from_environment()
    try:
        identity = NodeIdentity.load(paths)
        paths.make_directories()
        lock = PidFile.lock(paths.daemon_pid(NAME))
    except AlreadyRunning as exc:
        print(f"{NAME}: {exc.message}", file=sys.stderr)
        return 0
    except GanetiError as exc:
        print(f"{NAME}: {exc.message}", file=sys.stderr)
        return 1
    set_up_logging(paths.log / "watcher.log", "watcher", debug=options.debug,
                   terminal=options.debug)
    use_private_cache(paths)
    try:
        return _watch(options, paths, identity)
    except JobQueueDrained:
        log.error("the job queue is drained: nothing is put right until gnt-cluster queue undrain "
                  "opens it again")
        return 0
    except GanetiError as exc:
        log.error("%s", exc.message)
        if not options.debug:
            print(f"{NAME}: {exc.message}", file=sys.stderr)
        return 1
    except Exception:  # wall: nobody reads what a timer's program prints
        log.exception("the watcher failed")
        return 1
    finally:
        lock.release()


def _watch(options: argparse.Namespace, paths: Paths, identity: NodeIdentity) -> int:
    until = local.paused_until(paths)
    if until is not None and until > time.time() and not options.ignore_pause:
        log.info("the watcher is paused until %s", time.ctime(until))
        return 0
    if options.nodegroup is None:
        local.start_daemons(paths, identity)
        local.run_scripts(paths, identity)
        node_health.maintain(paths, identity)
    if not local.is_master(paths, identity):
        return 0 if options.nodegroup is None else EXIT_NOT_MASTER
    if not options.wait and os.fork() > 0:
        # The child has the lock, too, and removes its file.
        os._exit(0)
    with LuxiClient(paths.master_socket) as client:
        if options.nodegroup is None:
            archived, left = client.auto_archive_jobs(options.job_age)
            log.debug("%d jobs were archived, %d were not looked at", archived, left)
        _put_right(options, paths, client)
    return 0


def _put_right(options: argparse.Namespace, paths: Paths, client: LuxiClient) -> None:
    file = notes_file(paths)
    group = None if options.nodegroup is None else find_group(client, options.nodegroup)
    notes, seen = Notes.load(file), look(client, group)
    if options.nodegroup is None:
        notes.keep_only(seen.instances, seen.nodes)
        _write_status(paths, seen)
    try:
        started = repairs.check_instances(client, seen, notes)
        repairs.activate_after_reboots(client, seen, notes, started)
        if not options.no_verify_disks:
            repairs.verify_disks(client, seen)
    finally:
        notes.save(file)


def _write_status(paths: Paths, seen: Seen) -> None:
    """Write the states of all instances, a line for each, for programs that ask no daemon."""
    lines = "".join(f"{name} {seen.instances[name].status}\n" for name in sorted(seen.instances))
    write_atomically(paths.run / "instance-status", lines.encode(), 0o644, durable=False)


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Put right what has failed: daemons, instances, disks")
    parser.add_argument("-d", "--debug", action="store_true",
                        help="log more, and to the terminal, too")
    add_version(parser)
    parser.add_argument("-A", "--job-age", type=_duration, default=6 * 3600, metavar="TIME",
                        help="archive ended jobs that are older (default: 6h)")
    parser.add_argument("--ignore-pause", action="store_true",
                        help="work even while 'gnt-cluster watcher pause' holds")
    parser.add_argument("--node-group", dest="nodegroup", metavar="UUID",
                        help="look at the instances of this group only (its name will do, too), "
                             "and at nothing else")
    parser.add_argument("--no-verify-disks", action="store_true",
                        help="do not look for disks that are not active")
    parser.add_argument("--wait-children", dest="wait", action="store_true", default=True,
                        help="end when all is done (the default)")
    parser.add_argument("--no-wait-children", dest="wait", action="store_false",
                        help="go on in the background once the daemons of this node run")
    return parser


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
