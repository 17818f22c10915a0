"""Whole jobs of each profile, in several segments and interrupted: the same to the last byte as without."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as module
from seedvr2.coding.tables import ENCODERS
from seedvr2.media import open_source, output_suffix
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.progress import Progress
from seedvr2.segments.folder import folder_beside
from seedvr2.segments.journal import Journal
from tests.seedvr2.media import clips
from tests.seedvr2.segments.scenes import pixels, scene
from tests.seedvr2.segments.test_video_job import Interrupted, coded, interrupt_at

ROOT = Path(__file__).parents[3]
HDR10 = ROOT / "tests" / "fixtures" / "cases" / "42_hdr10.mp4"
FRAMES, LIMIT = 14, 5
WORDS: dict[str, dict[str, Any]] = {
    "libx264": {"profile": "web"},
    "libvpx-vp9": {"profile": "web", "output_format": "webm"},
    "libx265": {"profile": "quality"},
    "libsvtav1": {"profile": "quality", "video_codec": "av1"},
    "ffv1": {"profile": "archive"},
    "prores_ks": {"profile": "edit"},
    "dnxhd": {"profile": "edit", "video_codec": "dnxhr"},
}
SOURCES = ("8 bits", "10 bits", "HDR10", "HLG", "alpha", "odd", "uneven")
# Each encoder once, and each kind of source; the rest takes minutes. DNxHR takes no small pictures.
QUICK = {
    ("libx264", "odd"), ("libx264", "uneven"), ("libvpx-vp9", "alpha"), ("libx265", "HDR10"), ("libsvtav1", "HLG"),
    ("ffv1", "10 bits"), ("prores_ks", "8 bits"),
}  # fmt: skip
CASES = [
    pytest.param(encoder, source, marks=[] if (encoder, source) in QUICK else pytest.mark.long)
    for encoder in WORDS
    for source in SOURCES
]


@pytest.fixture(scope="module")
def nano() -> Upscaler:
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, **_more: LIMIT)


def clip_of(folder: Path, kind: str) -> Path:
    if kind == "HDR10":
        return HDR10
    images = list(pixels(scene(1, FRAMES, step=2)))
    if kind == "odd":
        images = [image[:-1, :-3] for image in images]
    if kind == "alpha":
        clear = [np.dstack([image, image[..., 0]]) for image in images]
        return clips.write_video(folder / "in.mov", clear, codec="png", layout="rgba", options={})
    layout = "yuv444p" if kind in ("8 bits", "odd", "uneven") else "yuv444p10le"
    tags = (9, 18, 9, 1) if kind == "HLG" else (1, 1, 1, 1)
    times = [index * index for index in range(FRAMES)] if kind == "uneven" else None
    return clips.write_video(
        folder / "in.mkv", images, codec="ffv1", layout=layout, options={"level": "3"}, tags=tags, times=times,
        time_base=Fraction(1, 25), rate=Fraction(25),
    )  # fmt: skip


@pytest.mark.parametrize(("encoder", "source"), CASES)
def test_an_interrupted_job_gives_the_same_to_the_last_byte(
    nano: Upscaler, tmp_path: Path, encoder: str, source: str
) -> None:
    clip = clip_of(tmp_path, source)
    options = UpscaleOptions.parse({"resolution": 180 if encoder == "dnxhd" else 32, **WORDS[encoder]})
    with open_source(clip) as opened:
        assert isinstance(opened, VideoSource)
        suffix, light, tags = output_suffix(opened.info, options), opened.light, opened.tags
        times = [float(frame.pts * frame.time_base) for frame in opened.frames()]
    whole = nano.upscale(clip, tmp_path / f"whole{suffix}", options)
    target = tmp_path / f"out{suffix}"
    with pytest.raises(Interrupted):
        nano.upscale(clip, target, options, on_progress=interrupt_at(len(times) - 2))
    done = Journal(folder_beside(target)).done
    assert done
    reports: list[Progress] = []
    result = nano.upscale(clip, target, options, on_progress=reports.append)
    assert reports[0].frames_done >= LIMIT
    assert result.warnings == whole.warnings
    assert coded(target) == coded(whole.path)
    with open_source(target) as made:
        assert isinstance(made, VideoSource)
        frames = list(made.frames())
        assert made.light == light
        if tags.hdr:
            assert (made.tags.transfer, made.tags.primaries) == (tags.transfer, 9)
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(times, abs=0.001)
    assert made.info.width % 2 == made.info.height % 2 == 0


REPEAT = """
import hashlib, json, sys
from fractions import Fraction
import av, numpy as np
from seedvr2.media.videos.encoder_settings import SETTINGS, Wanted, usual_preset
from seedvr2.media.videos.frame_coder import coding_options
from seedvr2.media.videos.encoders import Encoder
from seedvr2.media.videos.light import Light

name, preset = sys.argv[1:]
wanted = Wanted(depth=10, best=True, alpha=False, light=Light(), width=384)
made = SETTINGS[name](wanted, "20", preset or usual_preset(name, wanted))
encoder = Encoder(name, made.layout, made.image_depth, made.options)
context = av.CodecContext.create(name, "w")
context.width, context.height, context.pix_fmt = 384, 216, made.layout
context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
context.options = coding_options(encoder)
context.flags |= av.codec.context.Flags.global_header
noise = np.random.default_rng(1)
base = np.kron(noise.integers(0, 65536, (60, 80, 3), dtype=np.uint16), np.ones((8, 8, 1), np.uint16))
grain = noise.integers(0, 4000, (216, 384, 3), dtype=np.uint16)
packets = []
for index in range(48):
    image = base[index * 2 : index * 2 + 216, index * 3 : index * 3 + 384] // 2 + np.roll(grain, 7 * index, 1)
    frame = av.VideoFrame.from_ndarray(image.astype(np.uint16), "rgb48le").reformat(format=made.layout)
    frame.pts, frame.time_base = index, context.time_base
    packets += context.encode(frame)
packets += context.encode(None)
decoder = av.CodecContext.create({"libsvtav1": "libdav1d"}.get(name, context.codec.canonical_name), "r")
decoder.extradata = context.extradata
decoder.width, decoder.height = 384, 216
decoder.thread_count = 1
shown = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
coded = [bytes(context.extradata or b""), *map(bytes, packets)]
planes = [bytes(plane) for frame in shown for plane in frame.planes]
digests = [hashlib.sha256(b"".join(parts)).hexdigest() for parts in (coded, planes)]
print(json.dumps([len(packets), len(shown), *digests]))
"""
LOAD = "import hashlib\nwhile True: hashlib.sha256(bytes(1 << 20))"
PRESETS = {"libx264": ("", "veryfast", "slow"), "libx265": ("", "ultrafast", "slow"), "libsvtav1": ("", "5", "10")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("encoder", "preset"),
    [(name, preset) for name, facts in ENCODERS.items() if not facts.hardware for preset in PRESETS.get(name, ("",))],
)
def test_an_encoder_gives_the_same_in_every_process_and_under_load(encoder: str, preset: str) -> None:
    """Packets and decoded frames, five times alone and seven times beside others that take the processor."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", REPEAT, encoder, preset]

    def runs(number: int) -> list[Any]:
        found = [subprocess.run(command, check=True, env=environment, capture_output=True) for _ in range(number)]
        return [json.loads(each.stdout) for each in found]

    results = runs(5)
    busy = [subprocess.Popen([sys.executable, "-c", LOAD]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        results += runs(7)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert results == [results[0]] * 12
    assert results[0][:2] == [48, 48]
    assert len(set(results[0][2:])) == 2 and hashlib.sha256(b"").hexdigest() not in results[0]
