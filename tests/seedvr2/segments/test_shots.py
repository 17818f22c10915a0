from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedvr2.media import open_source
from seedvr2.segments.detector import LOOKAHEAD
from seedvr2.segments.shots import Scan, scan, split
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

LENGTHS = (9, 5, 14, 2, 8)
BEGINNINGS = (0, 9, 14, 28, 30)


def _frames() -> list[np.ndarray]:
    return list(pixels(*(scene(seed, length, step=2 * seed) for seed, length in enumerate(LENGTHS))))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("shots") / "shots.mp4", _frames())


def test_the_frames_come_shot_by_shot_and_each_once() -> None:
    frames = _frames()
    shots = [list(shot) for shot in split(enumerate(frames), lambda item: item[1])]
    assert tuple(shot[0][0] for shot in shots) == BEGINNINGS
    assert [index for shot in shots for index, _ in shot] == list(range(len(frames)))
    assert all(image is frames[index] for shot in shots for index, image in shot)


def test_only_a_few_frames_are_read_ahead() -> None:
    read = given = most = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in _frames():
            read += 1
            yield frame

    for shot in split(frames(), lambda frame: frame):
        for _ in shot:
            given += 1
            most = max(most, read - given)
    assert given == sum(LENGTHS) and most == LOOKAHEAD


def test_nothing_has_no_shots() -> None:
    assert list(split([], lambda frame: frame)) == []


def test_a_scan_finds_what_the_stream_does(video: Path) -> None:
    with open_source(video) as source:
        streamed = [len(list(shot)) for shot in split(source.frames(), lambda frame: frame.image)]
        found = scan(source)
    assert tuple(streamed) == LENGTHS
    assert (found.frames, found.shots, found.damaged) == (sum(LENGTHS), BEGINNINGS, False)
    assert [entry.number for entry in found.entries] == [0]


def test_a_scan_that_goes_on_finds_what_an_undisturbed_one_does(video: Path) -> None:
    kept: list[str] = []
    with open_source(video) as source:
        whole = scan(source, every=1, on_progress=lambda found: kept.append(json.dumps(asdict(found))))
        assert [json.loads(text)["frames"] for text in kept] == list(range(1, whole.frames - LOOKAHEAD + 1))
        for text in ["{}", *kept, json.dumps(asdict(whole))]:
            assert scan(source, Scan(**json.loads(text))) == whole


def test_a_scan_can_be_stopped(video: Path) -> None:
    def stop(found: Scan) -> None:
        raise InterruptedError(found.frames)

    with open_source(video) as source, pytest.raises(InterruptedError, match="20"):
        scan(source, every=20, on_progress=stop)


def test_a_scan_counts_frames_as_the_reader_does(video: Path, tmp_path: Path) -> None:
    data = bytearray(video.read_bytes())
    for place in range(len(data) // 3, len(data) // 3 + 400):
        data[place] ^= 0x5A
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    cut_off = tmp_path / "cut.ts"
    whole = write_video(tmp_path / "whole.ts", _frames(), muxer="mpegts")
    cut_off.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    for path in (damaged, cut_off):
        with open_source(path) as source:
            frames = sum(1 for _ in source.frames())
            assert source.warnings and scan(source).frames == frames


def test_animations_and_pictures_are_scanned_too(tmp_path: Path) -> None:
    first, *rest = [Image.fromarray(frame) for frame in pixels(scene(1, 6, step=2), scene(2, 6, step=2))]
    first.save(tmp_path / "clip.webp", save_all=True, append_images=rest, lossless=True)
    first.save(tmp_path / "picture.png")
    with open_source(tmp_path / "clip.webp") as source:
        assert scan(source) == Scan(12, (0, 6))
    with open_source(tmp_path / "picture.png") as source:
        assert scan(source) == Scan(1, (0,))
