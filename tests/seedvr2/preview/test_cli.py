from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedvr2.cli import main
from tests.seedvr2.media.clips import picture, write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", [picture(64, 48, index) for index in range(20)])


def test_images_and_a_sheet_are_written(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--resolution", "96", "--at", "0.3", "--crop", "8,8,32,24", "--strengths", "0.5,1", "--model", "nano"]
    assert main(["preview", str(clip), str(tmp_path / "shown"), *given]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    what = ("0.267s-plain", "0.267s-strength-0.5", "0.267s-strength-1", "sheet")
    assert [path.name for path in paths] == [f"clip.preview-{name}.png" for name in what]
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == sorted(path.name for path in paths)
    images = []
    for path in paths[:3]:
        with Image.open(path) as image:
            assert image.size == (64, 48)
            images.append(np.asarray(image, np.int16))
    assert np.abs((images[0] + images[2]) / 2 - images[1]).max() <= 1
    with Image.open(paths[3]) as sheet:
        cells = np.asarray(sheet, np.int16)
    # Beside each other, 110 pixels and a gap of 12 apart, below their labels.
    for index, image_pixels in enumerate(images):
        left = 12 + index * 122
        assert np.array_equal(cells[30:78, left : left + 64], image_pixels)
        assert cells[12:30, left : left + 64].max() > 150


def test_json_says_what_is_shown(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["preview", str(clip), "--resolution", "96", "--model", "nano", "--json", "--crop", "whole"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["width"], said["height"], said["output_width"], said["crop"]) == (128, 96, 128, None)
    assert [image["strength"] for image in said["images"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert said["model"] == "nano" and said["frames_together"] == 5
    assert all(Path(image["name"]).is_file() for image in said["images"])
    assert Path(said["sheet"]).parent.name == "clip.preview"


def test_wrong_requests(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(clip), str(tmp_path / "out"), "--strengths", "3"]) == 2
    assert "strengths takes up to 8 numbers" in capsys.readouterr().err
    assert main(["preview", str(clip), str(tmp_path / "out"), "--at", "60", "--model", "nano"]) == 2
    assert "at takes a time within the 0.7 s" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
