"""The state machine: every legal move works, every illegal one is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from daemon.jobs.job import MOVES, Draft, IllegalMoveError, Job, Media, Result, State
from seedvr2.options import UpscaleOptions

MEDIA = Media("video", 640, 360, 100, 25.0, 4.0)
RESULT = Result("/out/a.mp4", 1920, 1080, 100, 12.5, "nano", False, {"seed": 1}, ("a warning",))


def draft(**changes: object) -> Draft:
    plain = Draft("api", "/in/a.mp4", "a.mp4", "ab" * 32, 10, MEDIA, {"seed": 1}, 207.4, "0.1.0")
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def job_in(state: State) -> Job:
    queued = Job("0000000a", 1, 1.0, draft())
    running = queued.start(2.0)
    return {
        State.QUEUED: lambda: queued,
        State.PROCESSING: lambda: running.with_result(RESULT),
        State.COMPLETED: lambda: running.with_result(RESULT).complete(3.0),
        State.FAILED: lambda: running.fail(3.0, "no"),
        State.CANCELLED: lambda: queued.cancel(3.0, "no"),
    }[state]()


ACTIONS: dict[State, Callable[[Job], Job]] = {
    State.QUEUED: lambda job: job.requeue(orderly=False),
    State.PROCESSING: lambda job: job.start(5.0),
    State.COMPLETED: lambda job: job.complete(5.0),
    State.FAILED: lambda job: job.fail(5.0, "x"),
    State.CANCELLED: lambda job: job.cancel(5.0, "x"),
}


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_only_legal_moves_can_be_made(before: State, after: State) -> None:
    job = job_in(before)
    if after in MOVES[before]:
        assert ACTIONS[after](job).state is after
    else:
        with pytest.raises(IllegalMoveError):
            ACTIONS[after](job)


def test_the_state_cannot_be_set_by_hand() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        job_in(State.QUEUED).state = State.COMPLETED  # type: ignore[misc]


def test_a_job_without_a_result_cannot_be_completed() -> None:
    with pytest.raises(IllegalMoveError):
        job_in(State.QUEUED).start(2.0).complete(3.0)


def test_only_a_running_job_gets_a_result_and_only_a_finished_one_is_settled() -> None:
    with pytest.raises(IllegalMoveError):
        job_in(State.QUEUED).with_result(RESULT)
    with pytest.raises(IllegalMoveError):
        job_in(State.PROCESSING).as_settled()
    assert job_in(State.FAILED).as_settled().settled


def test_starts_count_what_did_not_end_orderly() -> None:
    job = job_in(State.QUEUED).start(1.0)
    assert job.starts == 1
    assert job.requeue(orderly=True).starts == 0
    assert job.requeue(orderly=False).start(2.0).starts == 2


@pytest.mark.parametrize("state", list(State))
def test_a_record_is_the_job(state: State) -> None:
    job = job_in(state)
    record = json.loads(json.dumps(job.record()))
    assert Job.from_record(record | {"from_a_newer_version": 1}) == job


def test_a_broken_record_is_refused() -> None:
    record = job_in(State.QUEUED).record()
    with pytest.raises(ValueError, match="nonsense"):
        Job.from_record(record | {"state": "nonsense"})
    del record["draft"]
    with pytest.raises(KeyError):
        Job.from_record(record)


@pytest.mark.parametrize(
    ("recorded", "meant"),
    [
        ({"video_codec": "h264", "output_format": "auto"}, "auto"),
        ({"video_codec": "h264", "output_format": "webm"}, "auto"),
        ({"video_codec": "hevc", "output_format": "mov"}, "auto"),
        ({"video_codec": "hevc", "output_format": "auto"}, "hevc"),
        ({"video_codec": "h264", "output_format": "mp4", "profile": "web"}, "h264"),
    ],
)
def test_a_codec_that_an_earlier_version_recorded_unasked_is_none(recorded: dict[str, str], meant: str) -> None:
    job = Job.from_record(job_in(State.QUEUED).record() | {"draft": dataclasses.asdict(draft(options=recorded))})
    assert job.draft.options["video_codec"] == meant
    UpscaleOptions.parse(job.draft.options)
