"""Media are light: a video takes the same memory at any length, and probing a file loads no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.seedvr2.media import clips

ROOT = Path(__file__).parents[3]
PASS = """
import sys
from pathlib import Path
from tests.seedvr2.media import clips
clips.upscale(Path(sys.argv[1]), Path(sys.argv[2]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = []
    for frames in (150, 600):
        pictures = [clips.picture(192, 108, index) for index in range(20)] * (frames // 20 + 1)
        clip = clips.write_video(tmp_path / f"{frames}.mp4", pictures[:frames], audio=[("aac", {})])
        target = tmp_path / f"out{frames}.mp4"
        run = subprocess.run(
            [sys.executable, "-c", PASS, clip, target], capture_output=True, text=True, check=True, cwd=ROOT
        )
        peaks.append(int(run.stdout) / 1024)
    # The frames alone that came in between are 27 MB as RGB.
    assert peaks[1] - peaks[0] < 6, f"{peaks[0]:.0f} MB at 150 frames, {peaks[1]:.0f} MB at 600"


def test_probing_needs_no_torch() -> None:
    code = "import sys, seedvr2.media; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
