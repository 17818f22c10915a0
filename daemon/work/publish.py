"""Puts a finished result in its place, so that a crash at any instant neither loses nor doubles it.

The engine writes into `outputs/.work/ID/`. Then, in this order: the final name goes into the job's record, the file
is renamed to it (never over another file), the record becomes `completed`. Whatever happens in between, the next
start finds out by looking which of these steps are left.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

from daemon.jobs.job import Job, Result
from daemon.store.files import free_names, place, write_durably
from daemon.store.job_store import JobStore
from daemon.work.naming import RESULT_BYTES

log = logging.getLogger(__name__)
WORK = ".work"
STEM = "result"


def work_folder(outputs: Path, job_id: str) -> Path:
    """Where the unfinished result of a job is."""
    return outputs / WORK / job_id


def publish(store: JobStore, outputs: Path, job: Job) -> Job:
    """Take a running job, whose record has its result, to `completed`."""
    hidden = hidden_result(outputs, job)
    while hidden is not None:
        assert job.result is not None
        target = Path(job.result.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            place(hidden, target)
        except FileExistsError:
            if target.samefile(hidden):
                hidden.unlink()
            else:
                job = store.save(job.with_result(_at(job.result, free_path(target))))
        hidden = hidden_result(outputs, job)
    _describe(job)
    job = store.save(job.complete(time.time()))
    discard_work(outputs, job.id)
    return job


def resume(store: JobStore, outputs: Path, job: Job) -> Job | None:
    """Finish the publishing that a crash interrupted; None if the job must run again."""
    if job.result is None:
        return None
    if hidden_result(outputs, job) is None and not Path(job.result.path).is_file():
        return None
    return publish(store, outputs, job)


def hidden_result(outputs: Path, job: Job) -> Path | None:
    """The whole but unpublished result of a job, if there is one."""
    assert job.result is not None
    path = work_folder(outputs, job.id) / (STEM + Path(job.result.path).suffix)
    return path if path.is_file() else None


def free_path(target: Path) -> Path:
    """`target`, or the first free name like it."""
    for name in free_names(target.name, RESULT_BYTES):
        candidate = target.with_name(name)
        if not os.path.lexists(candidate):
            return candidate
    raise AssertionError("free_names never ends")


def discard_work(outputs: Path, job_id: str) -> None:
    """Remove what a job left in the work folder."""
    shutil.rmtree(work_folder(outputs, job_id), ignore_errors=True)


def description_path(result: Path) -> Path:
    """The file beside a result that says how it was made."""
    return result.with_name(result.name + ".json")


def _at(result: Result, path: Path) -> Result:
    values: dict[str, Any] = {name: getattr(result, name) for name in Result.__slots__}
    return Result(**(values | {"path": str(path)}))


def _describe(job: Job) -> None:
    assert job.result is not None
    result, draft = job.result, job.draft
    description = {
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
    text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
    try:
        write_durably(description_path(Path(result.path)), text.encode("utf-8", "replace"), sync=False)
    except OSError as error:
        log.warning("job %s: the description beside the result could not be written: %s", job.id, error.strerror)
