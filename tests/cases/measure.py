"""What is seen and heard in a file, and when: flashes, beeps, frames. Reads with PyAV, and by ffprobe where it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

# Of the mean of a frame, 0…255: the clips are dark but for their flashes, whatever a model makes of the edges.
_WHITE = 170
# Of full scale: a lossy codec hints at a tone some samples before it begins.
_LOUD = 0.05
# A tone is over when it has not been loud for so long; its own waves cross zero.
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame of a file: seconds, and its mean colour, 0…255."""

    time: float
    colour: tuple[float, float, float]


def frames(path: Path) -> list[Seen]:
    """Every frame of the first video track, at the time at which a player shows it."""
    with av.open(str(path)) as container:
        return [
            Seen(float(frame.time or 0), tuple(frame.to_ndarray(format="rgb24").mean((0, 1)).tolist()))
            for frame in container.decode(video=0)
        ]


def flashes(path: Path) -> list[float]:
    """The seconds at which a white frame follows one that is not."""
    white = [(each.time, min(each.colour) > _WHITE) for each in frames(path)]
    return [time for (_, before), (time, now) in pairwise([(0.0, False), *white]) if now and not before]


def sound(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Seconds and loudness of every sample of the first audio track, whatever gaps are between them."""
    seconds: list[NDArray[np.float64]] = []
    levels: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono")
        for decoded in container.decode(audio=0):
            for frame in resampler.resample(decoded):
                level = np.abs(frame.to_ndarray()[0])
                seconds.append(float(frame.time or 0) + np.arange(level.size) / frame.sample_rate)
                levels.append(level)
    return np.concatenate(seconds), np.concatenate(levels)


def beeps(path: Path) -> list[float]:
    """The seconds at which a tone begins."""
    seconds, levels = sound(path)
    loud = seconds[levels > _LOUD]
    return [float(loud[0]), *(float(b) for a, b in pairwise(loud) if b - a > _PAUSE_S)] if loud.size else []


def has(tool: str) -> bool:
    """Whether an independent reader is installed."""
    return shutil.which(tool) is not None


@cache
def ffprobe(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file: `format`, `streams`, `chapters`."""
    return _json("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", path)


@cache
def ffprobe_frame(path: Path) -> dict[str, Any]:
    """What ffprobe says of the first frame of the first video track."""
    options = ("-select_streams", "v:0", "-read_intervals", "%+#1", "-show_frames")
    return dict(_json("ffprobe", "-v", "error", "-of", "json", *options, path)["frames"][0])


def ffprobe_times(path: Path) -> list[float]:
    """The times of the frames of the first video track, as ffprobe has them."""
    entries = ("-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time,pkt_duration_time")
    times: list[float] = []
    for frame in _json("ffprobe", "-v", "error", "-of", "json", *entries, path)["frames"]:
        # It has no time for the frames that a decoder holds until the end, where packets have none of their own.
        after = times[-1] + float(frame.get("pkt_duration_time", 0)) if times else 0.0
        times.append(float(frame.get("best_effort_timestamp_time", after)))
    return times


@cache
def exiftool(path: Path) -> dict[str, Any]:
    """The tags that exiftool reads in a file, by `Group:Name`."""
    return dict(_json("exiftool", "-j", "-G1", "-struct", path)[0])


def _json(*command: str | Path) -> Any:
    done = subprocess.run([str(part) for part in command], capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)
