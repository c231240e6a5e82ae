"""What the daemons of the master node share: from the command to serving, and how they end."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.daemons.account import Account
from ganeti_core.daemons.process import Daemon
from ganeti_core.errors import GanetiError, NotMaster
from ganeti_core.logs import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

EXIT_NOT_MASTER = 11
"""As Ganeti's daemons end, so that a service manager does not try again."""


def run(
    name: str, paths: Paths, options: Any, serve: Callable[[Daemon], None], user: str = ""
) -> int:
    """Be the daemon `name` in the fore- or background until it ends; return the exit status.

    :param user: the daemon's own user, which `serve` makes it become
    """
    if not paths.database.exists():
        print(f"{name}: this node has no cluster (gnt-cluster init makes one)", file=sys.stderr)
        return 1
    try:
        account = Account.wanted(options.user, user, paths) if user else None
    except GanetiError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1
    with Daemon(paths, name, options.foreground, account) as process:
        if account is not None:
            account.own(process.log_file)
        set_up_logging(process.log_file, process.log_file.stem, debug=bool(options.debug),
                       terminal=options.foreground)
        try:
            serve(process)
        except GanetiError as exc:
            log.critical("%s", exc.message)
            process.failed(exc.message)
            return EXIT_NOT_MASTER if isinstance(exc, NotMaster) else 1
    return 0
