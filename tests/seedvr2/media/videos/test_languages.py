"""A language with its region goes from container to container, beside the three letters that all players know."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from seedvr2.media.videos.languages import language_box, language_element, stated_language
from seedvr2.media.videos.mkv_additions import MkvAdditions
from tests.seedvr2.media import clips
from tests.seedvr2.media.videos.written import written


def brazilian(folder: Path) -> Path:
    additions = MkvAdditions()
    additions.add_entry(2, language_element("pt-BR"))
    return written(folder / "source.mkv", additions, stream_tags={1: {"language": "por"}})


def languages(path: Path) -> list[tuple[str | None, str]]:
    with av.open(str(path)) as container:
        return [(stream.language, stated_language(path, stream)) for stream in container.streams]


@pytest.mark.parametrize("way", [["mp4"], ["mkv"], ["mp4", "mkv", "mp4"]])
def test_a_region_comes_along(tmp_path: Path, way: list[str]) -> None:
    path = brazilian(tmp_path)
    for number, suffix in enumerate(way):
        result = tmp_path / f"{number}.{suffix}"
        clips.upscale(path, result, output_format=suffix)
        path = result
    video, sound = languages(path)
    assert sound == ("por", "pt-BR")
    assert video[1] == ""


def test_two_letters_are_told_where_three_are_asked_for(tmp_path: Path) -> None:
    clip = clips.write_video(
        tmp_path / "clip.mkv", [clips.picture(32, 32, index) for index in range(5)], audio=[("aac", {"language": "en"})]
    )
    clips.upscale(clip, tmp_path / "out.mp4", output_format="mp4")
    assert languages(tmp_path / "out.mp4")[1][1] == "en"


def test_without_a_language_there_is_nothing() -> None:
    assert language_box("") == language_element("") == b""
