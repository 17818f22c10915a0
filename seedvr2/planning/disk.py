"""What a job needs of a disk, estimated before there is any of the result."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

from seedvr2.coding.wish import Wish
from seedvr2.errors import MachineError
from seedvr2.media import MediaInfo
from seedvr2.pipeline.sizes import Size
from seedvr2.units import gigabytes

# Bits of a result for each of its pixels, as measured (`docs/farms.md`). ProRes and DNxHR keep a rate, FFV1 keeps all
# there is, the others a quality.
_BITS = {"h264": 0.2, "hevc": 0.2, "av1": 0.2, "vp9": 0.3, "prores": 4.0, "dnxhr": 4.0, "ffv1": 12.0}
_BITS_WITH_ALPHA = {"prores": 6.0, "ffv1": 16.0}
_VIDEOS = frozenset({".mp4", ".mkv", ".webm", ".mov"})
# Of pictures, nothing is known but what they take uncompressed.
_PICTURE_BITS = 24.0
# Even screens that hardly change take this much, unless the source takes less.
_LEAST_BITS = 0.002
_COPIES = 2


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """Bytes on the disk.

    Attributes:
        result: of the finished file, without sound and the like. An estimate: videos take a third of it to three
            times as much, as their pictures are quiet or busy; a picture never takes more.
        least: what results of such sources are not below.
        peak: at most at a time, while segments are joined: they stay until the result is whole.
    """

    result: int
    least: int
    peak: int

    def words(self) -> str:
        """As a sentence without its end: `about 1.2 GB for the result, 2.4 GB while it is joined`."""
        if self.peak == self.result:
            return f"at most {_up(self.result)} for the result"
        return (
            f"about {_up(self.result)} for the result and {_up(self.peak)} while it is joined, "
            "a third to three times of that as pictures are quiet or busy"
        )


def disk_need(
    info: MediaInfo, size: Size, suffix: str, frames: int, source_bytes: int, wish: Wish | None = None
) -> DiskNeed:
    """What the result of a source will need.

    Args:
        info: of the source, which has so many bytes. size: width and height of the result. suffix: of its file.
        frames: of the result. wish: what was asked of the coding of a video.
    """
    pixels = size[0] * size[1] * frames
    if suffix not in _VIDEOS:
        bits = _PICTURE_BITS * (4 / 3 if info.has_alpha else 1) * (2 if info.bit_depth > 8 else 1)
        most = int(pixels * bits / 8)
        return DiskNeed(most, 0, most)
    deep, alpha = info.bit_depth > 8, info.has_alpha
    codec = (wish or Wish()).codec_in(suffix[1:], deep=deep, transparent=alpha)
    bits = _BITS_WITH_ALPHA.get(codec, _BITS[codec]) if alpha else _BITS[codec]
    result = int(pixels * bits / 8)
    copies = 1 if info.animation else _COPIES
    return DiskNeed(result, min(int(pixels * _LEAST_BITS / 8), source_bytes), copies * result)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Ask the disk of a folder for room.

    Args:
        needed: bytes. what: for, as the beginning of a sentence.

    Raises:
        MachineError: it has less; the message says how much is missing. OSError: it cannot be asked.
    """
    usage = shutil.disk_usage(folder)
    # Some network file systems do not say what they have.
    if usage.total and usage.free < needed:
        raise MachineError(
            f"{what} needs {_up(needed)} on the disk of {folder}, which has {gigabytes(usage.free)} free; free "
            f"{_up(needed - usage.free)} more and start again, as what is done stays.",
            errno.ENOSPC,
        )


def _up(count: int) -> str:
    """Bytes in words, rounded up: who frees that much must not be told to free more."""
    step = 10**8 if count >= 10**9 else 10**6
    return gigabytes(-(-count // step) * step)
