"""Parts of a clip: their order, their marks, and that they are given up as they are used."""

from __future__ import annotations

import torch

from seedvr2.network.parts import Follows, Part, consumed, joined, slice_of, split


def _frames(count: int) -> torch.Tensor:
    return torch.arange(float(count)).view(count, 1, 1, 1).expand(count, 2, 3, 4).clone()


def _shape(parts: list[Part]) -> list[tuple[list[float], Follows, bool]]:
    return [(part.frames[:, 0, 0, 0].tolist(), part.follows, part.opens) for part in parts]


def test_a_list_is_emptied_one_by_one_and_what_is_done_with_is_freed() -> None:
    parts = slice_of(_frames(3), 1, Follows.NOTHING)
    left = [(len(part.frames), len(parts)) for part in consumed(parts)]
    assert left == [(1, 1), (2, 0)] and parts == []
    assert [each for each in consumed(iter((4, 5)))] == [4, 5]  # type: ignore[arg-type]  # noqa: C416


def test_the_clips_first_frame_is_a_part_by_itself() -> None:
    for follows in (Follows.NOTHING, Follows.SLICE):
        assert _shape(slice_of(_frames(5), 1, follows)) == [
            ([0], Follows.PART, True),
            ([1, 2, 3, 4], follows, False),
        ]
        assert _shape(slice_of(_frames(1), 1, follows)) == [([0], follows, True)]
        assert _shape(slice_of(_frames(4), 0, follows)) == [([0, 1, 2, 3], follows, False)]


def test_splitting_keeps_order_and_marks() -> None:
    parts = slice_of(_frames(6), 1, Follows.SLICE)
    assert _shape(list(split(parts, 2))) == [
        ([0], Follows.PART, True),
        ([1, 2], Follows.PART, False),
        ([3, 4], Follows.PART, False),
        ([5], Follows.SLICE, False),
    ]
    assert parts == []


def test_joining_undoes_splitting() -> None:
    for count, lead, follows in ((6, 1, Follows.SLICE), (1, 1, Follows.NOTHING), (4, 0, Follows.NOTHING)):
        whole = _shape(slice_of(_frames(count), lead, follows))
        for most in (1, 2, 3, 9):
            assert _shape(joined(split(slice_of(_frames(count), lead, follows), most))) == whole
