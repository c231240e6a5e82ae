"""``gnt-plugin check``: the conformance kit, run against what is installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.cli.plugin.local_host import load_host
from ganeti_core.errors import ECODE_ENVIRON, ECODE_NOENT, OpPrereqError
from ganeti_core.plugin_api.all_kinds import KINDS

if TYPE_CHECKING:
    import argparse

_MODULE = """\
from ganeti_core.plugin_api.testing.installed import contracts_of

globals().update(contracts_of({distribution!r}))
"""


def check(options: argparse.Namespace) -> int:
    """Load the distribution's plugins as a daemon does, then run the kit; 1 when one fails.

    :raises OpPrereqError: it is not installed, has no plugins, or pytest is missing
    """
    plugins = plugins_of(options.distribution)
    host = load_host()
    healthy = True
    for kind, name in plugins:
        status = next(row for row in host.status() if (row.kind, row.name) == (kind, name))
        print(f"{kind}:{name}: {status.problem or 'loads'}", flush=True)
        healthy = healthy and not status.problem
    if not healthy:
        return 1
    if util.find_spec("pytest") is None:
        raise OpPrereqError(
            "the conformance kit needs pytest: pip install 'ganeti-core[test]'", ECODE_ENVIRON)
    return _run_kit(options.distribution, options.rest)


def plugins_of(distribution: str) -> list[tuple[str, str]]:
    """Kind and name of each plugin of an installed distribution.

    :raises OpPrereqError: it is not installed, or has none
    """
    try:
        entries = metadata.distribution(distribution).entry_points
    except metadata.PackageNotFoundError as exc:
        raise OpPrereqError(f"no distribution {distribution} is installed (pip list)",
                            ECODE_NOENT) from exc
    groups = {kind.group: kind.name for kind in KINDS.values()}
    found = [(groups[entry.group], entry.name) for entry in entries if entry.group in groups]
    if not found:
        raise OpPrereqError(
            f"{distribution} has no plugins: no entry point in {', '.join(groups)}", ECODE_NOENT)
    return sorted(found)


def _run_kit(distribution: str, rest: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="gnt-plugin-") as folder:
        module = Path(folder) / "test_conformance.py"
        module.write_text(_MODULE.format(distribution=distribution))
        # A folder and an empty config of its own: what lies around here is not what is checked.
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *rest,
                 "--rootdir", folder, "-c", f"{folder}/pytest.ini", str(module)]
        return 1 if subprocess.run(words, cwd=folder, check=False).returncode else 0
