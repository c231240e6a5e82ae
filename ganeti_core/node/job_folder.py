"""The folder of job files as Ganeti has it, for programs that read them. It is an export.

A note beside it says so, and that the folder is ours: one that Ganeti itself has left behind is
kept under another name before the first export.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

FOLDER_MODE = 0o750
_NOTE = b"""queue holds an export of the jobs in cluster.db, written after every change of a job.
Nothing of this cluster reads it, and changing it changes nothing.
"""


def note_file(paths: Paths) -> Path:
    """The note that says what the folder is."""
    return paths.job_files.with_name(f"{paths.job_files.name}.note")


def make_job_folder(paths: Paths) -> None:
    """Make the folder where it is not there; put aside what another program has made.

    :raises OSError: it cannot be made
    """
    if not note_file(paths).exists():
        if paths.job_files.exists():
            _keep(paths.job_files)
        write_atomically(note_file(paths), _NOTE, 0o644, durable=False)
    paths.job_files.mkdir(FOLDER_MODE, parents=True, exist_ok=True)


def remove_job_folder(paths: Paths) -> None:
    """Remove the export; a folder of another program stays.

    :raises OSError: it cannot be removed
    """
    if note_file(paths).exists():
        if paths.job_files.exists():
            shutil.rmtree(paths.job_files)
        note_file(paths).unlink(missing_ok=True)


def _keep(folder: Path) -> None:
    other = next(name for number in range(1, 1000)
                 if not (name := folder.with_name(f"{folder.name}.ganeti-{number}")).exists())
    folder.rename(other)
    log.warning("%s was not made here: it is kept as %s", folder, other)
