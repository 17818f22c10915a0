"""What no result has is found, and nothing is said of what is not there."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.stream import Disposition

from seedvr2.media.videos.unwritten import of_frames, of_purposes, of_structure
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"


def test_only_what_no_result_has_is_named() -> None:
    frame = {"MASTERING_DISPLAY_METADATA": b"", "CONTENT_LIGHT_LEVEL": b"", "AFD": b"", "SEI_UNREGISTERED": b""}
    assert of_frames(frame) == ["active_format"]


@pytest.mark.parametrize(
    "name", ["12_spherical.mp4", "46_ass_font_chapters.mkv", "13_mkv_pixel_crop.mkv", "20_captions.m2v"]
)
def test_common_files_have_no_other_structure(name: str) -> None:
    with av.open(str(CASES / name)) as container:
        assert of_structure(CASES / name, container.streams.video[0]) == []


def test_purposes_are_named_where_they_are_lost(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32)], audio=[("aac", {})])
    with av.open(str(clip)) as container:
        sound = container.streams.audio[0]
        assert of_purposes("mov", [sound]) == []
        sound.disposition = Disposition.hearing_impaired | Disposition.captions | Disposition.forced
        assert of_purposes("mp4", [sound]) == of_purposes("matroska", [sound]) == []
        assert of_purposes("webm", [sound]) == ["hearing impaired"]
        assert of_purposes("mov", [sound]) == ["forced", "hearing impaired"]
        sound.disposition = Disposition.karaoke
        assert of_purposes("matroska", [sound, sound]) == ["karaoke"]
