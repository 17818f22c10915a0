"""Windows over the latents of a shot, and what a part of it takes."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from seedvr2.network.reach import Reach
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.latent_windows import LatentGrid, grid_for

REAL, STILL = Reach(4, 3, 2), Reach(1, 0, 0)


def test_windows_share_two_latents_where_they_have_room() -> None:
    grids = [LatentGrid.of(REAL, frames) for frames in (5, 9, 13, 21)]
    assert [(grid.window, grid.overlap, grid.step) for grid in grids] == [(2, 1, 1), (3, 1, 2), (4, 2, 2), (6, 2, 4)]
    assert [LatentGrid.of(STILL, frames).step for frames in (2, 5)] == [1, 3]
    # What is asked for beyond that is had, as far as something new is left.
    assert LatentGrid.of(REAL, 21, overlap=9).overlap == 3
    assert LatentGrid.of(REAL, 21, overlap=64).step == 1


def test_one_latent_is_not_stitched() -> None:
    options = UpscaleOptions()
    assert grid_for(options, 4, 0, REAL) is None and grid_for(options, 1, 0, STILL) is None
    assert grid_for(options, 5, 0, REAL) == LatentGrid.of(REAL, 5)
    assert grid_for(UpscaleOptions(stitching="batch"), 5, 0, REAL) is None
    wishes = UpscaleOptions(prepend_frames=3, uniform_batch_size=True)
    assert grid_for(wishes, 9, 0, REAL) == replace(LatentGrid.of(REAL, 9), prepend=3, uniform=True)


def test_a_whole_shot() -> None:
    part = LatentGrid.of(REAL, 13).part(30, 0, 30)
    # Latent 0 is one frame; 29 more make eight latents, the last of which is filled with mirrored frames.
    assert part.latents == 9 and part.encoded == part.restored == part.decoded == range(9)
    assert [part.grid.span(number, 9) for number in part.windows] == [range(2 * n, min(2 * n + 4, 9)) for n in range(4)]
    assert [part.own(frame) for frame in (0, 29, 30, 32)] == [0, 29, 28, 26]
    assert list(part.groups()) == [range(5), range(5, 13), range(13, 21), range(21, 29), range(29, 30)]


def test_a_part_within_a_shot_begins_earlier_by_what_the_networks_look_back() -> None:
    grid = LatentGrid.of(REAL, 13)
    assert [grid.begin(number) for number in (1, 2, 5)] == [5, 13, 37]
    part = grid.part(200, 37, 69)
    assert part.decoded == range(8, 18)  # two before latent 10
    assert part.windows == range(3, 9)  # from the first that has latent 8 to the last that has latent 17
    assert part.restored == range(6, 20) and part.encoded == range(3, 20)
    # The encoder takes the last frame of latent 3 for the first of a clip.
    assert part.clip == range(12, 77) and part.needed == range(12, 77)
    still = LatentGrid.of(STILL, 5).part(200, 30, 60)
    assert (still.decoded, still.restored, still.needed) == (range(30, 60), range(27, 62), range(27, 62))


def test_frames_around_a_shot_are_its_own() -> None:
    grid = replace(LatentGrid.of(REAL, 9), prepend=3, uniform=True)
    part = grid.part(6, 0, 6)
    # 9 frames are three latents, which is a window.
    assert part.clip == range(9) and [part.own(frame) for frame in part.clip] == [3, 2, 1, 0, 1, 2, 3, 4, 5]
    assert grid.part(7, 0, 7).latents == 5
    assert [grid.part(1, 0, 1).own(frame) for frame in range(5)] == [0] * 5


@given(
    batch=st.integers(2, 40),
    overlap=st.integers(0, 20),
    prepend=st.integers(0, 9),
    uniform=st.booleans(),
    frames=st.integers(1, 300),
    reach=st.sampled_from([REAL, STILL, Reach(2, 1, 5)]),
    cuts=st.lists(st.integers(1, 60), max_size=4),
)
def test_parts_make_the_shot_out_of_the_same_windows(
    batch: int, overlap: int, prepend: int, uniform: bool, frames: int, reach: Reach, cuts: list[int]
) -> None:
    grid = LatentGrid.of(reach, batch, overlap, prepend, uniform=uniform)
    assume(grid.window > 1)
    whole = grid.part(frames, 0, frames)
    spans = {number: grid.span(number, whole.latents) for number in whole.windows}
    assert spans[max(spans)].stop == whole.latents and grid.windows(whole.latents) == len(spans)
    if uniform:
        assert all(len(span) == grid.window for span in spans.values())
    edges = sorted({0, frames, *(begin for cut in cuts if 0 < (begin := grid.begin(cut)) < frames)})
    groups: list[range] = []
    for start, stop in itertools.pairwise(edges):
        part = grid.part(frames, start, stop)
        groups += part.groups()
        # Every window that has anything to say about a latent is there, and all that it is made of.
        for latent in part.decoded:
            assert {number for number, span in spans.items() if latent in span} <= set(part.windows)
        assert all(latent in part.restored for number in part.windows for latent in spans[number])
        first = grid.latent(start + prepend) if start else 0
        assert part.decoded.start in (0, first - reach.decoder) and part.restored.start <= part.decoded.start
        assert part.encoded.start in (0, part.restored.start - reach.encoder)
        assert part.needed.start >= 0 and part.needed.stop <= frames
        assert part.needed.start <= start and part.needed.stop >= stop
        assert {part.own(frame) for frame in part.clip} <= set(part.needed)
    # Colours are corrected over the same frames, however the shot is cut.
    assert groups == list(whole.groups())
    assert max(len(group) for group in groups) <= grid.step_frames
