"""Opens the source of a job as it was when it was taken: whatever has been put in its place since is not read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from daemon.jobs.job import Job
from daemon.store.safe_open import held
from seedvr2.errors import MachineError, MediaError


class Sources:
    """The folders that sources lie in.

    Args:
        roots: inbox and uploads; below them no link is followed.
        desk: a folder of our own for the names under which the engine reads.
        missing: why the disk of a job's source is not there, or an empty text.
        moved: where the source of a job is that is not where it was, or None.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        desk: Path,
        missing: Callable[[Job], str],
        moved: Callable[[Job], Path | None] = lambda _job: None,
    ) -> None:
        self._roots = sorted(roots, key=lambda root: -len(root.parts))
        self._desk = desk
        self._missing = missing
        self._moved = moved

    @contextlib.contextmanager
    def open(self, job: Job) -> Iterator[Path]:
        """A path under which exactly the file of this job is read.

        Raises:
            MediaError: it is gone, was replaced, or lies behind a link.
            MachineError: its disk is missing.
        """
        # It may have been renamed since the inbox was last looked at.
        path = self._moved(job) or Path(job.draft.source)
        # The folder of uploads may have been another one when the file was sent.
        root = next((root for root in self._roots if path.is_relative_to(root)), path.parent)
        with contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(held(root, path, job.draft.fingerprint, self._desk))
            except FileNotFoundError as error:
                reason = self._missing(job)
                if reason:
                    raise MachineError(reason, error.errno or 0) from error
                raise MediaError(f"The source {job.draft.original_filename} is gone.") from error
            yield source.path
