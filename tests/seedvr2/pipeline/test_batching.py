from __future__ import annotations

import json
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedvr2.pipeline.batching import Batch, count_batches, effective_overlap, iter_batches, pad_indices
from seedvr2.pipeline.blending import reference_weights
from tests.parity.__main__ import BUNDLED

CASES = json.loads((BUNDLED / "batching.json").read_text())["cases"]
SETTINGS = st.tuples(st.integers(0, 60), st.integers(1, 21), st.integers(0, 24), st.integers(0, 20))


def _batches(case: dict) -> list[Batch[int]]:
    return list(
        iter_batches(
            range(case["frames"]),
            case["batch_size"],
            case["temporal_overlap"],
            case["prepend_frames"],
            uniform=case["uniform_batch_size"],
        )
    )


def _name(case: dict) -> str:
    return "-".join(str(case[key]) for key in ("frames", "batch_size", "temporal_overlap", "prepend_frames"))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_batches_are_the_references(case: dict) -> None:
    batches = _batches(case)
    assert [[b.frames[i] for i in b.padded] for b in batches] == [b["input_frames"] for b in case["batches"]]
    assert [len(batch.frames) for batch in batches] == [batch["kept"] for batch in case["batches"]]
    ranges = [[b.start + b.overlap, b.start + len(b.frames), b.index, len(b.frames)] for b in batches]
    assert ranges == case["write_ranges"]
    assert effective_overlap(case["batch_size"], case["temporal_overlap"]) == case["effective_overlap"]


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_frames_are_mixed_as_in_the_reference(case: dict) -> None:
    mixed: dict[int, dict[tuple[int, int], float]] = {}
    for batch in _batches(case):
        weights = reference_weights(batch.overlap).tolist()
        for index in range(len(batch.frames)):
            earlier = weights[index] if index < batch.overlap else 0.0
            entry = mixed.get(batch.start + index, {})
            mixed[batch.start + index] = {key: value * earlier for key, value in entry.items()}
            mixed[batch.start + index][batch.index, index] = 1 - earlier
    assert sorted(mixed) == list(range(case["frames"] + case["prepend_frames"]))
    for frame, entries in enumerate(case["output"]):
        got = {key: value for key, value in mixed[frame + case["prepend_frames"]].items() if abs(value) > 1e-6}
        assert got == pytest.approx({(batch, index): weight for batch, index, weight in entries}, abs=1e-6)


@given(SETTINGS, st.booleans(), st.sampled_from((1, 2, 4)))
def test_batches_cover_the_stream(settings: tuple[int, int, int, int], uniform: bool, factor: int) -> None:
    frames, size, overlap, prepend = settings
    batches = list(iter_batches(range(frames), size, overlap, prepend, uniform=uniform, factor=factor))
    stream = [frame for batch in batches for frame in batch.frames[batch.overlap :]]
    assert stream[-frames:] == list(range(frames))
    assert len(stream) == (frames + prepend if frames else 0)
    for before, after in zip([None, *batches], [*batches, None], strict=True):
        if before and after:
            assert len(before.frames) == size
            assert before.next_overlap == after.overlap == effective_overlap(size, overlap)
            assert before.frames[size - after.overlap :] == after.frames[: after.overlap]
            assert len(after.frames) > after.overlap
        elif before:
            assert before.next_overlap == 0
    for batch in batches:
        assert batch.padded[: len(batch.frames)] == tuple(range(len(batch.frames)))
        assert (len(batch.padded) - 1) % factor == 0
        assert len(batch.padded) >= (size if uniform else len(batch.frames))


@given(SETTINGS)
def test_the_count_is_known_beforehand(settings: tuple[int, int, int, int]) -> None:
    frames, size, overlap, prepend = settings
    if frames:
        assert count_batches(*settings) == len(list(iter_batches(range(frames), size, overlap, prepend)))


def test_prepended_frames_mirror_the_beginning() -> None:
    (batch,) = iter_batches("abcdef", 9, prepend=3)
    assert "".join(batch.frames) == "dcbabcdef"
    (batch,) = iter_batches("ab", 9, prepend=3)
    assert "".join(batch.frames) == "bbbab"


@pytest.mark.parametrize(
    ("count", "least", "factor", "padded"),
    [
        (5, 5, 4, (0, 1, 2, 3, 4)),
        (4, 4, 4, (0, 1, 2, 3, 2)),
        (3, 3, 4, (0, 1, 2, 1, 0)),
        (2, 2, 4, (0, 1, 1, 1, 1)),
        (1, 1, 4, (0,)),
        (6, 6, 1, (0, 1, 2, 3, 4, 5)),
        (4, 4, 2, (0, 1, 2, 3, 2)),
        (3, 5, 1, (0, 1, 2, 1, 0)),
    ],
)
def test_padding_mirrors_the_end(count: int, least: int, factor: int, padded: tuple[int, ...]) -> None:
    assert pad_indices(count, least, factor) == padded


class _Frame:
    """Stands for a decoded frame; counts how many of them are alive."""


def _frames(count: int, alive: weakref.WeakSet[_Frame], made: list[int]) -> Iterator[_Frame]:
    for number in range(count):
        frame = _Frame()
        alive.add(frame)
        made.append(number)
        yield frame


@pytest.mark.parametrize(("overlap", "prepend"), [(0, 0), (2, 0), (0, 3), (3, 4)])
def test_one_batch_and_one_frame_are_in_memory(overlap: int, prepend: int) -> None:
    alive: weakref.WeakSet[_Frame] = weakref.WeakSet()
    made: list[int] = []
    batches = iter_batches(_frames(500, alive, made), 5, overlap, prepend)
    while (batch := next(batches, None)) is not None:
        read = batch.start + len(batch.frames) - prepend + 1
        assert len(made) <= max(read, prepend + 1)
        if batch.start > prepend:
            assert len(alive) <= len(batch.frames) + 1
        # Or the loop itself would hold the batch while the next one is read.
        del batch
    assert made[-1] == 499
