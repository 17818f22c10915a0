"""Puts a finished result in its place, so that a crash at any instant neither loses nor doubles it.

The engine writes into the work folder. Then, in this order: the final name goes into the job's record, the file is
renamed to it (never over another file), the record becomes `completed`. Whatever happens in between, the next start
finds out by looking which of these steps are left.

A name that the disk does not take is cleaned, then shortened. A folder that takes no file at all is the job's own
trouble: it fails, and its result is kept where the error says. Anything else is trouble of the machine: an OSError, and
the step can be tried again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.jobs.job import Job, Result
from daemon.store.files import free_names, probe_writable, sync_file
from daemon.store.job_store import JobStore
from daemon.work.naming import RESULT_BYTES
from daemon.work.placing import FOLDER_ERRORS, NAME_ERRORS, candidates, make_parent, put
from daemon.work.work_folder import WorkFolder

log = logging.getLogger(__name__)
# Results that could not be put where they belong.
KEPT = "_kept"


class Publisher:
    """Takes jobs whose record has a result to `completed`; used by one thread at a time."""

    def __init__(self, store: JobStore, outputs: Path, work: WorkFolder) -> None:
        self._store = store
        self._outputs = outputs
        self._work = work

    def publish(self, job: Job) -> Job:
        """Take a running job, whose record has its result, to its end.

        Raises:
            OSError: the disk refuses now; the same call can be made again.
        """
        job, refusal = self._placed(job)
        assert job.result is not None
        path = Path(job.result.path)
        _describe(job)
        if refusal:
            ended = job.with_kept(str(path)).fail(time.time(), refusal)
        else:
            ended = job.with_result(_as_placed(job.result)).complete(time.time())
        ended = self._store.save(ended)
        self._work.discard(job.id)
        return ended

    def is_placed(self, job: Job) -> bool:
        """Whether the result of a job has its final name already."""
        result = job.result
        return result is not None and self._work.hidden(job.id, result) is None and Path(result.path).is_file()

    def resume(self, job: Job) -> Job | None:
        """Finish the publishing that a crash interrupted; None if the job must run again. Raises OSError."""
        self._work.adopt(job.id)
        if job.result is None:
            noted = self._work.noted_result(job)
            if noted is None:
                return None
            job = self._store.save(job.with_result(noted))
        assert job.result is not None
        if self._work.hidden(job.id, job.result) is None and not Path(job.result.path).is_file():
            return None
        return self.publish(job)

    def _placed(self, job: Job) -> tuple[Job, str]:
        """Give the result its name; answers the job with it, and the refusal if it is only kept."""
        names: Iterator[Path] | None = None
        refusal = ""
        while (hidden := self._hidden(job)) is not None:
            assert job.result is not None
            target = Path(job.result.path)
            try:
                make_parent(target)
                put(hidden, target, job.id)
            except FileExistsError:
                job = self._renamed(job, free_path(target))
            except OSError as error:
                names = candidates(self._outputs, target, job.id) if names is None else names
                following = next(names, None) if error.errno in NAME_ERRORS else None
                if following is not None:
                    log.info("job %s: the disk does not take the name %r (%s)", job.id, target.name, error.strerror)
                    job = self._renamed(job, free_path(following))
                    continue
                if refusal or error.errno not in (*FOLDER_ERRORS, *NAME_ERRORS):
                    raise
                probe_writable(self._outputs)
                kept = free_path(self._outputs / KEPT / f"{job.id}_{target.name}")
                refusal = _refusal(target.parent, kept, error)
                names, job = None, self._renamed(job, kept)
        return job, refusal or self._refusal_of(job)

    def _refusal_of(self, job: Job) -> str:
        # A crash came after the result was put aside, before the job was told.
        assert job.result is not None
        path = Path(job.result.path)
        kept = path.parent == self._outputs / KEPT and path.name.startswith(f"{job.id}_")
        return f"The result could not be put in its place. It is kept as {path}." if kept else ""

    def _hidden(self, job: Job) -> Path | None:
        assert job.result is not None
        return self._work.hidden(job.id, job.result)

    def _renamed(self, job: Job, path: Path) -> Job:
        assert job.result is not None
        return self._store.save(job.with_result(replace(job.result, path=str(path))))


def free_path(target: Path) -> Path:
    """`target`, or the first free name like it."""
    for name in free_names(target.name, RESULT_BYTES):
        candidate = target.with_name(name)
        if not os.path.lexists(candidate):
            return candidate
    raise AssertionError("free_names never ends")


def description_path(result: Path) -> Path:
    """The file beside a result that says how it was made."""
    return result.with_name(result.name + ".json")


def identity(path: Path) -> tuple[int, ...]:
    """What tells a result from a file that somebody put in its place; empty if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns


def _as_placed(result: Result) -> Result:
    """The result with its true folder, which a link may have led to, and its identity."""
    path = Path(result.path)
    path = path.parent.resolve() / path.name
    return replace(result, path=str(path), identity=identity(path))


def _refusal(folder: Path, kept: Path, error: OSError) -> str:
    why = "it is not a folder" if isinstance(error, NotADirectoryError) else error.strerror or str(error)
    return f"The result could not be put into {folder}: {why}. It is kept as {kept}."


def _describe(job: Job) -> None:
    assert job.result is not None
    result, draft = job.result, job.draft
    description: dict[str, Any] = {
        "id": job.id,
        "source": draft.original_filename,
        "source_sha256": draft.sha256,
        "source_size": [draft.media.width, draft.media.height],
        "model": result.model,
        "parameters": dict(result.options),
        "size": [result.width, result.height],
        "frames": result.frames,
        "seconds": round(result.seconds, 3),
        "tiled": result.tiled,
        "warnings": list(result.warnings),
        "made_by": f"seedvr2d {draft.engine_version}",
    }
    if result.places:
        description["made_on"] = list(result.places)
    text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
    target = description_path(Path(result.path))
    # By the job's own name, so that the start after a crash, which publishes again, takes it over.
    part = target.with_name(f".{job.id}.json.part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))
        sync_file(part)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        log.warning("job %s: the description beside the result could not be written: %s", job.id, error.strerror)
