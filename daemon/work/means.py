"""What the worker works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daemon.engine.executor import Executor
from daemon.jobs.job import Job, Progress
from daemon.jobs.queue import JobQueue
from daemon.work.ends import Ends
from daemon.work.estimates import Estimates
from daemon.work.hold import Hold
from daemon.work.model_trouble import ModelTrouble
from daemon.work.runner import JobRunner
from daemon.work.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Means:
    """All that it is given.

    Attributes:
        runner: takes jobs through the engine. executor: is the engine.
        queue: the jobs that wait. surroundings: whether the machine is well. ends: what is left to do for jobs that the
            engine is done with. models: whether the models of jobs are there.
        estimates: how long jobs take. hold: whether the queue is held though nothing is wrong.
        on_progress: told how far a running job is.
        capacity: how many units the executor makes at a time, where it is one that runs several jobs; None: one job.
    """

    runner: JobRunner
    executor: Executor
    queue: JobQueue
    surroundings: Surroundings
    ends: Ends
    models: ModelTrouble
    estimates: Estimates
    hold: Hold
    on_progress: Callable[[Job, Progress], None]
    capacity: Callable[[], int] | None = None
