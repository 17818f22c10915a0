"""Videos of every container, codec and attribute: what two readers see afterwards is what was there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import measure
from tests.matrix.clips import CLIPS, Clip, make
from tests.matrix.copying import double
from tests.matrix.explained import VIDEO_RULES, unexplained
from tests.matrix.readings import differences, video_fields

# Some of each kind for every run; the others take minutes.
_QUICK = {
    "h264_aac.mp4",
    "vp9_opus.webm",
    "bframes.ts",
    "rotated_90.mp4",
    "titles_srt.mkv",
    "edit_list.mp4",
    "tagged.ogv",
}
_QUICK |= {"h264_truehd.mkv"}


def _rows(formats: tuple[str, ...]) -> list[object]:
    marks = {True: (), False: (pytest.mark.long,)}
    return [
        pytest.param(clip, wanted, id=f"{clip.name}-{wanted}", marks=marks[clip.name in _QUICK])
        for clip in CLIPS
        for wanted in formats
    ]


@pytest.mark.skipif(not (measure.has("ffmpeg") and measure.has("ffprobe")), reason="ffmpeg is not installed")
@pytest.mark.parametrize(("clip", "wanted"), _rows(("mp4", "mkv")))
def test_every_difference_of_a_video_is_explained(clip: Clip, wanted: str, tmp_path: Path) -> None:
    source, result = make(clip, tmp_path), tmp_path / f"result.{wanted}"
    warnings = double(source, result, wanted)
    left = unexplained(differences(video_fields(source), video_fields(result)), warnings, VIDEO_RULES)
    assert not left, "\n".join(map(str, (*left, *warnings)))
