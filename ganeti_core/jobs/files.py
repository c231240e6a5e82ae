"""The job queue as files, in Ganeti's form, where the cluster wants them: an export.

They follow the database within moments, and nothing waits for them. One thread writes: what has
changed meanwhile is written once, as it is by then.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import TYPE_CHECKING, Any

from ganeti_core.node.job_folder import FOLDER_MODE, make_job_folder, remove_job_folder
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ganeti_core.config.store import Store
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

MODE = 0o640
PAUSE = 0.05
"""Seconds between two rounds: many changes in a row are written once."""
RETRY_SECONDS = 5.0
JOBS_PER_ARCHIVE_FOLDER = 10_000
_BATCH = 500
_NAME = re.compile(r"job-([0-9]{1,18})")
_TIMES = ("start_timestamp", "end_timestamp", "received_timestamp")
_OF_OPCODE = ("input", "status", "result", "log", "start_timestamp", "exec_timestamp",
              "end_timestamp", "priority")


def job_text(document: Mapping[str, Any]) -> str:
    """A job's file. No process is named: none is this job's own, to be watched or killed."""
    return json.dumps({
        "id": document["id"],
        "ops": [{name: op[name] for name in _OF_OPCODE} for op in document["ops"]],
        **{name: document[name] for name in _TIMES},
        "livelock": None, "process_id": None})


class JobFiles:
    """Follows the jobs while the cluster's `job_queue_files` is set, and else keeps no file.

    :param jobs: documents of these jobs, or of all that are not archived; from any thread
    :param last_id: the highest id that was given
    """

    def __init__(
        self, paths: Paths, store: Store,
        jobs: Callable[[Iterable[int] | None], list[dict[str, Any]]], last_id: Callable[[], int],
    ) -> None:
        self._paths = paths
        self._store = store
        self._jobs = jobs
        self._last_id = last_id
        self._due: dict[int, None] = {}
        self._wanted: tuple[bool, bool] | None = None
        """What was carried out last: whether there are files, and the mark of a drained queue."""
        self._trouble = ""
        """What was logged last."""
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="job-files", daemon=True)

    def start(self) -> None:
        """Follow from now on."""
        self._store.watch(lambda _snapshot, _changes: self._wake())
        self._thread.start()

    def stop(self) -> None:
        """Write what is due, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(RETRY_SECONDS)

    def job_changed(self, *job_ids: int) -> None:
        """Note that jobs changed, or went to the archive; from any thread."""
        if self._store.snapshot.cluster.job_queue_files:
            with self._changed:
                self._due.update(dict.fromkeys(job_ids))
                self._changed.notify_all()

    def _wake(self) -> None:
        if self._wants() != self._wanted:
            with self._changed:
                self._changed.notify_all()

    def _wants(self) -> tuple[bool, bool]:
        cluster = self._store.snapshot.cluster
        return cluster.job_queue_files, cluster.job_queue_files and cluster.queue_drained

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._due or self._wants() != self._wanted)
                last, due = self._stopping, list(self._due)
                self._due.clear()
            try:
                self._round(due)
                self._trouble = ""
            except OSError as exc:
                self._failed(f"the files of jobs cannot be written: {exc}")
            except Exception:  # wall: an export that fails harms no job
                log.exception("writing the files of jobs")
                self._failed("")
            if last:
                return
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping, PAUSE if self._wanted else RETRY_SECONDS)

    def _failed(self, trouble: str) -> None:
        if trouble not in ("", self._trouble):
            log.warning("%s", trouble)
        self._trouble = trouble
        self._wanted = None  # all of them, as soon as it is possible again

    def _round(self, due: list[int]) -> None:
        wanted = self._wants()
        files, drained = wanted
        if wanted != self._wanted:
            if not files:
                remove_job_folder(self._paths)
            elif self._wanted is None or not self._wanted[0]:
                make_job_folder(self._paths)
                due = [*dict.fromkeys([*self._found(), *(job["id"] for job in self._jobs(None))])]
                write_atomically(self._folder / "version", b"1", MODE, durable=False)
        if files:
            for first in range(0, len(due), _BATCH):
                self._write(due[first:first + _BATCH])
            if wanted != self._wanted or due:
                self._mark(drained)
        self._wanted = wanted

    @property
    def _folder(self) -> Path:
        return self._paths.job_files

    def _found(self) -> Iterable[int]:
        """Jobs that have files: of an earlier time of this node as master, perhaps."""
        for file in self._folder.iterdir():
            if name := _NAME.fullmatch(file.name):
                yield int(name[1])

    def _write(self, ids: Iterable[int]) -> None:
        documents = {job["id"]: job for job in self._jobs(ids)}
        for job_id in ids:
            file = self._folder / f"job-{job_id}"
            job = documents.get(job_id)
            if job is not None and not job["archived"]:
                write_atomically(file, job_text(job).encode(), MODE, durable=False)
                continue
            if job is not None:
                folder = self._folder / "archive" / str(job_id // JOBS_PER_ARCHIVE_FOLDER)
                folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
                write_atomically(
                    folder / file.name, job_text(job).encode(), MODE, durable=False)
            file.unlink(missing_ok=True)

    def _mark(self, drained: bool) -> None:
        write_atomically(self._folder / "serial", b"%d\n" % self._last_id(), 0o600, durable=False)
        mark = self._folder / "drain"
        if drained:
            mark.touch(MODE)
        else:
            mark.unlink(missing_ok=True)
