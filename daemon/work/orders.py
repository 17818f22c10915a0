"""What the running job is told while it runs: to stop, to let others go first, to go on.

A video lets go where a segment is finished, at no cost. What cannot wait for that abandons the present segment at the
engine's next small step, and a picture altogether, where its end is not near.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.jobs.job import Job, Progress

# Seconds that somebody at the screen is made to wait rather than throw away work: of a video, of a picture.
BORDER_S, PICTURE_S = 3.0, 10.0
# So often in a row a segment or a picture may be thrown away; then it is waited for, or it would never be done.
MOST_ABANDONED = 10


@dataclass(slots=True)
class Abandoned:
    """How often a job had to throw work away without getting further in between."""

    job_id: str = ""
    segments: int = 0
    times: int = 0

    def note(self, job: Job, segments: int) -> None:
        """The job has thrown away what it had begun, with so many segments finished."""
        same = (self.job_id, self.segments) == (job.id, segments)
        self.job_id, self.segments, self.times = job.id, segments, self.times + 1 if same else 1

    def too_often(self, job: Job, segments: int) -> bool:
        """Whether what it is at now is to be finished."""
        return (self.job_id, self.segments) == (job.id, segments) and self.times >= MOST_ABANDONED


def near(left_s: float | None, *, video: bool, waited_s: float) -> bool:
    """Whether what is being done ends so soon that somebody who waits at the screen can wait for it.

    Args:
        left_s: seconds until its end, of a video until that of its segment; None if unknown.
        waited_s: seconds that he has waited; an end that is always near is not.
    """
    most_s = BORDER_S if video else PICTURE_S
    return left_s is not None and left_s <= most_s and waited_s <= 2 * most_s


@dataclass(slots=True)
class Orders:
    """Asked by the engine, by way of the runner, in the worker's thread. What was once said of stopping, stays.

    Attributes:
        job: the one that runs. cancelled: whether it is not wanted any more. stopping: whether the service ends.
        urgent_s: seconds that somebody at the screen has waited; None if nobody does.
        others: whether others are to go first at the next border. at_once: whether it is to stop before that.
        progress: how far it is. abandoned: what was thrown away before.
        expected_s: seconds that it will take, as far as was known when it began.
    """

    job: Job
    cancelled: Callable[[], bool]
    stopping: Callable[[], bool]
    urgent_s: Callable[[], float | None]
    others: Callable[[], bool]
    at_once: Callable[[], bool]
    progress: Callable[[], Progress | None]
    abandoned: Abandoned
    expected_s: float
    _began: float = field(default_factory=time.monotonic, init=False)
    _interrupted: bool = field(default=False, init=False)

    @property
    def interrupted(self) -> bool:
        """Whether the job is to stop at the next step, and to wait again."""
        if not self._interrupted and self._must_stop():
            self._interrupted = True
        return self._interrupted

    def give_way(self) -> bool:
        """Whether a video is to stop where its present segment is finished."""
        return self.urgent_s() is not None or self.others()

    def _must_stop(self) -> bool:
        if self.stopping():
            return True
        progress = self.progress()
        segments = progress.segments_done if progress else 0
        waited_s = self.urgent_s()
        if waited_s is not None and not self.abandoned.too_often(self.job, segments):
            video = self.job.draft.media.kind == "video"
            if not near(self._left_s(progress, video=video), video=video, waited_s=waited_s):
                self.abandoned.note(self.job, segments)
                return True
        return self.at_once()

    def _left_s(self, progress: Progress | None, *, video: bool) -> float | None:
        if video:
            return progress.border_s if progress else None
        if progress and progress.eta_s is not None:
            return progress.eta_s
        # Of a picture that has just begun; one that takes longer than was expected may take for ever.
        left_s = self.expected_s - (time.monotonic() - self._began)
        return left_s if left_s > 0 else None
