"""What decoding is said to take is what it takes: the peaks of real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedvr2.errors import OutOfMemoryError, TooLargeError
from seedvr2.media import open_source
from seedvr2.media.need import check_room, decoding_need
from seedvr2.planning import host_memory
from tests.seedvr2.media import clips
from tests.seedvr2.media.pictures.test_film_source import encoded

ROOT = Path(__file__).parents[3]
EDGE = 2400
# How far the peak of memory rises while a file is opened and proven; a small one has brought the decoder in before.
MEASURE = """
import sys
from pathlib import Path
from seedvr2.media import open_source
def peak(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name))) * 1024
open_source(Path(sys.argv[2])).prove()
Path("/proc/self/clear_refs").write_text("5")
before = peak("VmRSS")
open_source(Path(sys.argv[1])).prove()
print(peak("VmHWM") - before)
"""
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a.png": ("RGB", {}),
    "gray.png": ("L", {}),
    "a.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "a.webp": ("RGB", {}),
    "a.gif": ("P", {}),
    "a.tiff": ("RGB", {"compression": "tiff_lzw"}),
    "a.jp2": ("RGB", {}),
    "a.avif": ("RGB", {"speed": 10}),
    "animated.png": ("RGB", {"save_all": True}),
    "animated.webp": ("RGB", {"save_all": True, "method": 0}),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not tell")
def test_the_need_of_light_is_that_of_its_decoder(tmp_path: Path) -> None:
    y, x = np.mgrid[:EDGE, :EDGE]
    light = np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.float32) / 255
    (tmp_path / "a.exr").write_bytes(encoded("exr", light, "gbrpf32le"))
    (tmp_path / "small.exr").write_bytes(encoded("exr", light[:32, :32], "gbrpf32le"))
    taken, need = measured(tmp_path / "a.exr", tmp_path / "small.exr"), decoding_need(tmp_path / "a.exr")
    assert taken * 0.9 < need < taken * 4, f"{taken / EDGE**2:.1f} bytes per pixel, not {need / EDGE**2:.1f}"


def measured(path: Path, small: Path) -> int:
    command = [sys.executable, "-c", MEASURE, path, small]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not tell")
@pytest.mark.parametrize("name", KINDS)
def test_the_need_is_that_of_a_real_decoder(tmp_path: Path, name: str) -> None:
    mode, options = KINDS[name]
    for edge, path in ((EDGE, tmp_path / name), (32, tmp_path / f"small-{name}")):
        y, x = np.mgrid[:edge, :edge]
        picture = Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)).convert(mode)
        more = {"append_images": [picture.rotate(90)]} if options.get("save_all") else {}
        picture.save(path, **options, **more)
    taken = measured(tmp_path / name, tmp_path / f"small-{name}")
    need = decoding_need(tmp_path / name)
    assert taken * 0.9 < need, f"{taken / EDGE**2:.1f} bytes per pixel, not {need / EDGE**2:.1f}"
    # A stage that was not reached, or a still GIF, may take less; four times would refuse what works.
    assert need < taken * 4 or name == "a.gif", f"{taken / EDGE**2:.1f} bytes per pixel, not {need / EDGE**2:.1f}"


def test_never_and_not_now_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "capacity", lambda: 3 << 30)
    monkeypatch.setattr(host_memory, "obtainable", lambda: 1 << 30)
    check_room("a.png", 900 << 20)
    with pytest.raises(OutOfMemoryError, match=r"to decode a\.png now: it takes 2\.1 GB, and 1\.1 GB"):
        check_room("a.png", 2 << 30)
    with pytest.raises(TooLargeError, match=r"a\.png has too many pixels for this machine.*scale it down first"):
        check_room("a.png", 3 << 30)


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_nothing_is_decoded_that_does_not_fit(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = clips.picture(64, 48)
    if name == "a.mp4":
        clips.write_video(tmp_path / name, [image])
    else:
        Image.fromarray(image).save(tmp_path / name)
    monkeypatch.setattr(host_memory, "capacity", lambda: (300 << 20) + 10_000)
    with pytest.raises(TooLargeError, match=name):
        open_source(tmp_path / name)


def test_what_cannot_be_told_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for path in (tmp_path / "text.png", tmp_path / "missing.png", tmp_path, Path("/dev/zero")):
        assert decoding_need(path) == 0
