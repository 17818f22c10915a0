"""What is said of the disk before there is anything on it."""

from __future__ import annotations

import errno
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from seedvr2 import UpscaleOptions, Upscaler
from seedvr2.errors import MachineError
from seedvr2.media import probe
from seedvr2.planning import disk
from seedvr2.planning.disk import DiskNeed, check_room, disk_need

CLIP = Path(__file__).parents[3] / "benchmarks" / "assets" / "city.mp4"
PIXELS = 1920 * 1080 * 1000


@pytest.mark.parametrize(("suffix", "bits"), [(".mp4", 0.2), (".mkv", 0.2), (".webm", 0.3), (".mov", 4.0)])
def test_a_video_takes_bits_by_its_pixels_and_twice_while_it_is_joined(suffix: str, bits: float) -> None:
    need = disk_need(probe(CLIP), (1920, 1080), suffix, 1000, 10**9)
    assert need == DiskNeed(round(PIXELS * bits / 8), round(PIXELS * 0.002 / 8), 2 * round(PIXELS * bits / 8))
    # A source that is nearly nothing may become a result that is.
    assert disk_need(probe(CLIP), (1920, 1080), suffix, 1000, 77).least == 77


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov"])
@pytest.mark.long
def test_a_real_result_is_within_what_is_said(tmp_path: Path, suffix: str) -> None:
    upscaler = Upscaler(Path("none"), device="cpu", dtype="float32", default_model="nano")
    options = UpscaleOptions(resolution=180, output_format=suffix)
    need = upscaler.plan(CLIP, options).disk
    assert need is not None
    size = upscaler.upscale(CLIP, tmp_path / f"out.{suffix}", options).path.stat().st_size
    assert need.least < need.result / 3 < size < need.result * 3


def test_a_picture_takes_at_most_what_it_has_uncompressed(tmp_path: Path) -> None:
    noise = Image.effect_noise((40, 30), 99).convert("RGB")
    noise.save(tmp_path / "a.png")
    assert disk_need(probe(tmp_path / "a.png"), (80, 60), ".png", 1, 5000) == DiskNeed(14400, 0, 14400)
    noise.convert("RGBA").save(tmp_path / "b.png")
    need = disk_need(probe(tmp_path / "b.png"), (80, 60), ".png", 1, 5000)
    assert need.result == 19200 and need.words() == "at most 1 MB for the result"


def test_what_is_missing_is_said_and_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(10**12, 0, 2_510_000_000))
    check_room(tmp_path, 2_510_000_000, "Making a.mp4")
    with pytest.raises(MachineError) as caught:
        check_room(tmp_path, 3_752_000_001, "Making a.mp4")
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value) == (
        f"Making a.mp4 needs 3.8 GB on the disk of {tmp_path}, which has 2.5 GB free; free 1.3 GB more and start "
        "again, as what is done stays."
    )


def test_a_disk_that_does_not_say_what_it_has_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(0, 0, 0))
    check_room(tmp_path, 10**12, "Making a.mp4")


def test_words_say_how_good_an_estimate_is() -> None:
    assert DiskNeed(1_234_000_000, 1, 2_468_000_000).words() == (
        "about 1.3 GB for the result and 2.5 GB while it is joined, a third to three times of that as pictures are "
        "quiet or busy"
    )
