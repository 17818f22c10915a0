"""Previews against the jobs that they are previews of, with nano."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from seedvr2 import UpscaleOptions, Upscaler, restoration
from seedvr2.errors import Cancelled, MediaError, OptionError
from seedvr2.media import Frame, Pixels, Sink
from seedvr2.preview.making import Preview
from seedvr2.preview.wish import Crop, Wish
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

WHOLE = Wish(crop="whole", patience=None)


@pytest.fixture(scope="module")
def nano() -> Upscaler:
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


def textured(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 2, width // 2, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def image_at(preview: Preview, strength: float, index: int = 0) -> NDArray[np.int16]:
    return [frame.image for frame in preview.frames if frame.strength == strength][index].astype(np.int16)


def test_a_preview_of_a_picture_is_its_job_at_each_strength(nano: Upscaler, tmp_path: Path) -> None:
    Image.fromarray(textured(60, 44)).save(tmp_path / "in.png")
    options = UpscaleOptions(resolution=88, strength=0.9)
    preview = nano.preview(tmp_path / "in.png", options, replace(WHOLE, strengths=(0.25, 0.5, 1.0)))
    assert [frame.strength for frame in preview.frames] == [0.0, 0.25, 0.5, 1.0]
    assert (preview.width, preview.height, preview.size, preview.crop) == (120, 88, (120, 88), None)
    assert (preview.model, preview.together, preview.warnings) == ("nano", 1, ())
    for strength in (0.0, 0.25, 0.5, 1.0):
        target = tmp_path / f"{strength}.png"
        nano.upscale(tmp_path / "in.png", target, replace(options, strength=strength))
        with Image.open(target) as job:
            assert np.abs(np.asarray(job, np.int16) - image_at(preview, strength)).max() <= 1
    assert np.abs(image_at(preview, 1.0) - image_at(preview, 0.0)).max() > 3


def test_a_preview_of_a_window_is_the_frames_of_its_job(nano: Upscaler, tmp_path: Path) -> None:
    """As an animation, since its result loses nothing."""
    frames = [Image.fromarray(np.roll(textured(48, 40), index, 1)).quantize(64) for index in range(5)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
    options = UpscaleOptions(resolution=80, output_format="png", seed=7, softness=0.5, color_correction="wavelet")
    preview = nano.preview(tmp_path / "in.gif", options, replace(WHOLE, at=0.2, frames=5, strengths=(0.5, 1.0)))
    assert [frame.seconds for frame in preview.frames][::3] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert preview.together == 5
    for strength in (0.5, 1.0):
        nano.upscale(tmp_path / "in.gif", tmp_path / f"{strength}.png", replace(options, strength=strength))
        with Image.open(tmp_path / f"{strength}.png") as job:
            made = [np.asarray(frame.convert("RGB"), np.int16) for frame in ImageSequence.Iterator(job)]
        for index, frame in enumerate(made):
            assert np.abs(frame - image_at(preview, strength, index)).max() <= 1


@pytest.mark.parametrize("stitching", ["latent", "batch"])
def test_a_preview_of_a_videos_beginning_is_what_its_job_writes(
    nano: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stitching: str
) -> None:
    clip = write_video(tmp_path / "in.mp4", list(pixels(scene(1, 5, 1))), options={"crf": "10"})
    options = UpscaleOptions(resolution=128, stitching=stitching)
    made: list[NDArray[np.int16]] = []
    write = restoration._write

    def note(sink: Sink, image: Callable[[], Pixels], frame: Frame) -> None:
        made.append(np.array(image(), np.int16))
        write(sink, image, frame)

    monkeypatch.setattr(restoration, "_write", note)
    nano.upscale(clip, tmp_path / "out.mp4", options)
    preview = nano.preview(clip, options, replace(WHOLE, at=0.0, frames=5, strengths=(1.0,)))
    assert len(made) == preview.together == 5
    for index, frame in enumerate(made):
        assert np.abs(frame - image_at(preview, 1.0, index)).max() <= 1


def test_transparency_is_mixed_as_in_the_job(nano: Upscaler, tmp_path: Path) -> None:
    alpha = np.tile(np.linspace(0, 255, 48, dtype=np.uint8), (40, 1))
    Image.fromarray(np.dstack([textured(48, 40), alpha])).save(tmp_path / "in.png")
    options = UpscaleOptions(resolution=80, strength=0.5)
    preview = nano.preview(tmp_path / "in.png", options, WHOLE)
    nano.upscale(tmp_path / "in.png", tmp_path / "out.png", options)
    with Image.open(tmp_path / "out.png") as job:
        assert np.abs(np.asarray(job, np.int16) - image_at(preview, 0.5)).max() <= 1
    part = nano.preview(tmp_path / "in.png", options, Wish(crop=Crop(8, 8, 20, 20), patience=None))
    assert part.frames[0].image.shape == (40, 40, 4)
    assert np.abs(part.frames[0].image.astype(np.int16) - image_at(preview, 0.0)[16:56, 16:56]).max() <= 1


def test_a_part_is_that_part_of_the_job(nano: Upscaler, tmp_path: Path) -> None:
    """The plain resize exactly, and what nano makes of it nearly, at a scale that is no whole number."""
    Image.fromarray(textured(300, 200)).save(tmp_path / "in.png")
    options = UpscaleOptions(resolution=325, color_correction="wavelet")
    whole = nano.preview(tmp_path / "in.png", options, WHOLE)
    part = nano.preview(tmp_path / "in.png", options, Wish(crop=Crop(101, 63, 80, 60), patience=None))
    assert part.crop is not None and part.warnings == ()
    # Resized to 487 by 325, of which the result has 486 by 324.
    left, top = 101 * 487 // 300, 63 * 325 // 200
    box = (slice(top, top + part.height), slice(left, left + part.width))
    assert part.crop == Crop(101, 63, 80, 60) and (part.width, part.height) == (131, 98)
    assert np.abs(image_at(part, 0.0) - image_at(whole, 0.0)[box]).max() <= 1
    apart = np.abs(image_at(part, 1.0) - image_at(whole, 1.0)[box])
    changed = np.abs(image_at(whole, 1.0) - image_at(whole, 0.0))[box]
    assert apart.mean() < 0.1 * changed.mean()


def test_what_would_take_too_long_is_shown_in_part(nano: Upscaler, tmp_path: Path) -> None:
    """The part with the texture; a speed of a tenth of a megapixel a second allows for one."""
    image = np.full((300, 480, 3), 90, np.uint8)
    image[180:280, 330:460] = textured(130, 100)
    Image.fromarray(image).save(tmp_path / "in.png")
    wish = Wish(patience=1.0)
    preview = nano.preview(tmp_path / "in.png", UpscaleOptions(resolution=600), wish, speed=0.1)
    assert preview.crop is not None
    assert preview.crop.x > 250 and preview.crop.y > 130
    assert (preview.width + 64) * (preview.height + 64) <= 100_000 * 1.05
    assert preview.warnings == (
        "All of it would take longer than the 1 s that there are; its most detailed part is shown.",
    )
    all_of_it = nano.preview(tmp_path / "in.png", UpscaleOptions(resolution=600), wish, speed=10.0)
    assert all_of_it.crop is None and (all_of_it.width, all_of_it.height) == (960, 600)


def test_a_part_that_is_too_large_is_shown_by_its_middle(nano: Upscaler, tmp_path: Path) -> None:
    Image.fromarray(textured(480, 300)).save(tmp_path / "in.png")
    wish = Wish(crop=Crop(0, 0, 480, 300), patience=1.0)
    preview = nano.preview(tmp_path / "in.png", UpscaleOptions(resolution=600), wish, speed=0.1)
    assert preview.crop is not None and "its middle is shown" in preview.warnings[0]
    middle = preview.crop.x + preview.crop.width / 2, preview.crop.y + preview.crop.height / 2
    assert abs(middle[0] - 240) <= 1 and abs(middle[1] - 150) <= 1


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty frames, the second half of them of another scene, with a key frame at every tenth."""
    frames = pixels(scene(1, 30, 1), scene(2, 30, 1))
    options = {"g": "10", "sc_threshold": "0", "crf": "12"}
    return write_video(tmp_path_factory.mktemp("shots") / "in.mp4", frames, options=options)


def test_a_window_lies_in_one_shot(nano: Upscaler, two_shots: Path) -> None:
    rate = 30000 / 1001
    for frame, wanted in ((29, range(25, 30)), (30, range(30, 35)), (12, range(10, 15)), (59, range(55, 60))):
        at = (frame + 0.5) / rate
        options = UpscaleOptions(resolution=64)
        preview = nano.preview(two_shots, options, replace(WHOLE, at=at, frames=9, strengths=()))
        assert [round(image.seconds * rate) for image in preview.frames if image.seconds is not None] == [*wanted]


def test_frames_far_in_are_those_of_the_whole_video(nano: Upscaler, two_shots: Path) -> None:
    """Searched, not read from the beginning: the same pixels."""
    options = UpscaleOptions(resolution=64)
    at = 47.5 / (30000 / 1001)
    near = nano.preview(two_shots, options, replace(WHOLE, at=at))
    with_all = next(iter(frame for index, frame in enumerate(_read(two_shots)) if index == 47))
    small = np.asarray(Image.fromarray(with_all).resize((113, 64), Image.Resampling.BICUBIC), np.int16)[:, :112]
    assert near.frames[0].seconds == pytest.approx(47 / 30000 * 1001, abs=0.001)
    assert np.abs(image_at(near, 0.0) - small).max() <= 2


def _read(path: Path) -> Iterator[NDArray[np.uint8]]:
    from seedvr2.media import open_source

    with open_source(path) as source:
        for frame in source.frames():
            yield frame.image.astype(np.uint8)


def test_black_is_passed_over(nano: Upscaler, tmp_path: Path) -> None:
    """In the middle there is nothing to see; a third into it there is."""
    black = np.zeros((90, 160, 3), np.uint8)
    frames = [*pixels(scene(1, 25, 1)), *[black] * 25]
    clip = write_video(tmp_path / "in.mp4", frames, options={"g": "5"})
    preview = nano.preview(clip, UpscaleOptions(resolution=64), replace(WHOLE, strengths=()))
    assert preview.frames[0].seconds is not None and preview.frames[0].seconds < 25 * 1001 / 30000
    assert preview.frames[0].image.std() > 10


def test_wrong_wishes_are_refused(nano: Upscaler, two_shots: Path, tmp_path: Path) -> None:
    options = UpscaleOptions(resolution=64)
    with pytest.raises(OptionError, match=r"at takes a time within the 2\.0 s of in\.mp4, not 99\."):
        nano.preview(two_shots, options, replace(WHOLE, at=99))
    with pytest.raises(OptionError, match="crop must lie within the"):
        nano.preview(two_shots, options, Wish(crop=Crop(0, 0, 5000, 10)))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(MediaError):
        nano.preview(tmp_path / "text.mp4", options)
    with pytest.raises(Cancelled, match=r"The preview of in\.mp4 was cancelled"):
        nano.preview(two_shots, options, cancelled=lambda: True)
