"""Memory does not grow with the length of a video, nor with the number of its segments."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
EDGE, RATE = 16, 25
CHILD = """
import resource, sys
from pathlib import Path
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as module
clip, target, most, batch = sys.argv[1:]
module.frames_at_a_time = lambda *_args, **_more: int(most)
options = UpscaleOptions(resolution=16, batch_size=int(batch))
upscaler = Upscaler(Path("none"), device="cpu", dtype="float32", default_model="nano")
result = upscaler.upscale(Path(clip), Path(target), options)
print(result.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def clip(path: Path, frames: int) -> Path:
    """Tiny frames, and sound beside them."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", RATE, options={"preset": "ultrafast", "g": str(RATE)})
        video.width, video.height, video.pix_fmt = EDGE, EDGE, "yuv420p"
        audio = output.add_stream("aac", 48000)
        for number in range(frames):
            image = np.full((EDGE, EDGE, 3), 20 + number * 7 % 200, np.uint8)
            image[:, number // 3 % EDGE] = 255
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for second in range(frames // RATE):
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 48000), np.float32), "fltp", "stereo")
            silence.sample_rate, silence.pts, silence.time_base = 48000, second * 48000, Fraction(1, 48000)
            output.mux(audio.encode(silence))
        output.mux(audio.encode(None))
    return path


def peak(folder: Path, frames: int, most: int, batch: int) -> int:
    """Kilobytes in memory at most, in a process that does nothing else."""
    source = clip(folder / f"{frames}.mkv", frames)
    command = [sys.executable, "-c", CHILD, str(source), str(folder / f"out{frames}.mkv"), str(most), str(batch)]
    # A child of a large process would begin with what that one took at most.
    done = subprocess.run(
        ["env", *command], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    made, kilobytes = done.stdout.split()
    assert int(made) == frames
    return int(kilobytes)


@pytest.mark.long
@pytest.mark.parametrize(("frames", "most", "batch"), [(10_000, 480, 5), (3_000, 1, 1)])
def test_a_long_video_takes_the_memory_of_a_short_one(tmp_path: Path, frames: int, most: int, batch: int) -> None:
    short, long = (peak(tmp_path, count, most, batch) for count in (100, frames))
    assert long < 1.05 * short, (short, long)
