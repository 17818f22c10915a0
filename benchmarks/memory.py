"""Peak memory over the length of a clip: the same clip at 50 and at 500 frames, upscaled by nano.

python -m benchmarks.memory
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.runs import clip_of, measured


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peaks = {}
        for frames in (50, 500):
            clip = clip_of(folder / f"{frames}.mp4", frames, (160, 90))
            target = folder / f"{frames}-out.mp4"
            usage = measured("upscale", clip, target, "--model", "nano", "--resolution", "144", "--quiet")
            peaks[frames] = usage.peak_mb
            print(f"memory: {frames} frames, peak {usage.peak_mb:.0f} MB, {usage.cpu_s:.0f} s of processor time")
        print(f"memory: 500 frames take {peaks[500] / peaks[50]:.3f} times the memory of 50")


if __name__ == "__main__":
    main()
