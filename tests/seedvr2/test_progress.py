from __future__ import annotations

from seedvr2.progress import Progress, ProgressMeter


def _work(batches: list[int], total: int, step: int) -> list[float]:
    """`work_done` when each batch, of which so many frames come out, begins and is half done."""
    told: list[Progress] = []
    meter = ProgressMeter(told.append, total, step)
    seen = []
    for frames in batches:
        meter.stage("encoding", 0.0)
        seen.append(told[-1].work_done)
        meter.stage("decoding", 0.1)
        seen.append(told[-1].work_done)
        for _ in range(frames):
            meter.frame()
    assert told[-1].fraction == 1
    assert [report.work_done for report in told] == sorted(report.work_done for report in told)
    return seen


def test_batches_of_a_whole_clip() -> None:
    assert _work([5, 5, 2], 12, 5) == [0, 2.5, 5, 7.5, 10, 12]


def test_where_shots_end_batches_are_shorter_and_the_work_is_not_called_done_too_early() -> None:
    assert _work([5, 1, 5, 1, 5, 1], 18, 5) == [0, 2.5, 5, 7.5, 7.5, 8.5, 11, 13.5, 13.5, 14.5, 17, 18]


def test_frames_that_wait_for_the_next_batch_count_as_work_done() -> None:
    told: list[Progress] = []
    meter = ProgressMeter(told.append, 13, 3, held=5)
    for given in (0, 1, 3):
        meter.stage("encoding", 0.0)
        for _ in range(given):
            meter.frame()
    assert [report.work_done for report in told if report.stage == "encoding"] == [0, 3, 6]
