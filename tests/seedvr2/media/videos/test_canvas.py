"""Frames of all sizes and shapes come on one canvas, never stretched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seedvr2.media import open_source
from seedvr2.media.orientation import Orientation
from seedvr2.media.videos.canvas import Canvas, Look, Place
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
UPRIGHT, TURNED = Orientation(), Orientation(transpose=True, flip_y=True)
SQUARE = Fraction(1)
PAL_43, PAL_169 = Fraction(16, 15), Fraction(64, 45)


def pieces(folder: Path, suffix: str, *looks: tuple[int, int, Fraction]) -> Path:
    """A stream of parts with these sizes and shapes of pixels, three white frames each."""
    whole = folder / f"parts{suffix}"
    data = b""
    for index, (width, height, aspect) in enumerate(looks):
        part = folder / f"{index}{suffix}"
        white = np.full((height, width, 3), 230, np.uint8)
        clips.write_video(part, [white] * 3, rate=Fraction(25), aspect=aspect, options={"crf": "5", "bf": "0"})
        data += part.read_bytes()
    whole.write_bytes(data)
    return whole


@pytest.mark.parametrize(
    ("first", "look", "place"),
    [
        (Look((720, 576), PAL_43, UPRIGHT), Look((720, 576), PAL_43, UPRIGHT), Place((720, 576), 0, 0, barred=False)),
        (Look((720, 576), PAL_43, UPRIGHT), Look((720, 576), PAL_169, UPRIGHT), Place((720, 432), 0, 72, barred=True)),
        (Look((720, 576), PAL_169, UPRIGHT), Look((720, 576), PAL_43, UPRIGHT), Place((540, 576), 90, 0, barred=True)),
        (Look((64, 48), SQUARE, UPRIGHT), Look((128, 96), SQUARE, UPRIGHT), Place((64, 48), 0, 0, barred=False)),
        (Look((192, 108), SQUARE, UPRIGHT), Look((1920, 1088), SQUARE, UPRIGHT), Place((192, 108), 0, 0, barred=False)),
        (Look((80, 40), SQUARE, UPRIGHT), Look((80, 40), SQUARE, TURNED), Place((40, 20), 30, 0, barred=True)),
        (Look((80, 40), SQUARE, TURNED), Look((40, 80), SQUARE, UPRIGHT), Place((40, 80), 0, 0, barred=False)),
    ],
    ids=["same", "wider", "taller", "larger", "sliver", "turned-later", "turned-first"],
)  # fmt: skip
def test_places(first: Look, look: Look, place: Place) -> None:
    assert Canvas(first).place(look) == place


def test_bars_are_black_and_transparent() -> None:
    canvas = Canvas(Look((8, 4), SQUARE, UPRIGHT))
    drawn = canvas.draw(np.full((4, 4, 4), 200, np.uint8), canvas.place(Look((4, 4), SQUARE, UPRIGHT)))
    assert drawn.shape == (4, 8, 4)
    assert drawn[:, 2:6].min() == 200
    assert drawn[:, [0, 1, 6, 7]].max() == 0


def test_case_of_a_broadcast_that_becomes_wide() -> None:
    source = open_source(CASES / "22_ts_aspect_changes.ts")
    frames = list(source.frames())
    assert (source.info.width, source.info.height, len(frames)) == (85, 64, 30)
    assert {frame.image.shape for frame in frames} == {(64, 96, 3)}
    assert frames[0].image[0].max() > 200
    last = frames[-1].image
    # 16:9 in 4:3: three quarters of the height.
    assert last[:7].max() == last[57:].max() == 0
    assert last[9, 50:60].max() > 100
    assert any("shape of the picture changes" in warning for warning in source.warnings)


@pytest.mark.parametrize("suffix", [".h264", ".ts"])
def test_shape_changes_at_its_frame_and_back(tmp_path: Path, suffix: str) -> None:
    clip = pieces(tmp_path, suffix, (72, 64, PAL_43), (72, 64, PAL_169), (72, 64, PAL_43))
    source = open_source(clip)
    frames = list(source.frames())
    assert (source.info.width, source.info.height) == (77, 64)
    barred = [bool(frame.image[:7].max() < 30 and frame.image[-7:].max() < 30) for frame in frames]
    assert barred == [False] * 3 + [True] * 3 + [False] * 3


def test_smaller_frames_of_another_shape_are_enlarged_between_bars(tmp_path: Path) -> None:
    source = open_source(pieces(tmp_path, ".h264", (128, 64, SQUARE), (48, 48, SQUARE)))
    frames = list(source.frames())
    columns = frames[4].image[32, :, 0]
    assert (columns > 128).sum() == 64
    assert (columns[:30].max(), columns[98:].max()) == (0, 0)
    assert any("frame size changes" in warning for warning in source.warnings)
    assert any("black bars" in warning for warning in source.warnings)


def test_word_of_the_container_comes_first(tmp_path: Path) -> None:
    """Matroska's display size is for the whole track, whatever the stream says."""
    clip = clips.write_video(tmp_path / "wide.mkv", [clips.picture(72, 64)] * 3, aspect=PAL_169)
    source = open_source(clip)
    assert source.info.width == 102
    assert {frame.image.shape for frame in source.frames()} == {(64, 72, 3)}
    assert source.warnings == ()
