"""Rate, length and number of frames of a video: the header's figures where these can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from seedvr2.media.videos.container import has_times, is_clocked
from seedvr2.media.videos.rates import plausible_rate
from seedvr2.media.videos.survey import Survey, sampled_seconds, survey
from seedvr2.media.videos.timing import estimate_frames, states_length, stream_duration

# A header that says so many times more or less than the packets do tells of a clock that was set.
_DOUBTFUL = 2


@dataclass(frozen=True, slots=True)
class Extent:
    """How much video there is; None for what is not known.

    Attributes:
        rate: frames per second, on average. seconds, frames: of all of it.
        counted: they are of all packets, and not the header's.
    """

    rate: Fraction | None
    seconds: Fraction | None
    frames: int | None
    counted: bool


def measure(path: Path, container: InputContainer, stream: VideoStream) -> Extent:
    """The extent of a video that is open; run it under `failures.reading`."""
    found = survey(path)
    timed = has_times(container)
    rate = plausible_rate(stream, found.step if timed else None, timed=timed)
    stated = stream_duration(container, stream)
    counted = found.complete and (is_clocked(container) or not timed or not states_length(container, stream))
    if counted and found.packets:
        seconds = Fraction(found.seconds or 0).limit_denominator(10**6) if timed else None
        shown = _frames(found, rate, seconds)
        return Extent(rate, seconds or (shown / rate if rate else None), shown, counted=True)
    seconds = stated
    if is_clocked(container) and not found.complete:
        likely = Fraction(sampled_seconds(path, found)).limit_denominator(1000)
        if likely and (stated is None or not likely / _DOUBTFUL < stated < likely * _DOUBTFUL):
            seconds = likely
    elif (seconds is None or not timed) and found.packets and found.read:
        packets = found.packets * path.stat().st_size / found.read
        seconds = Fraction(packets).limit_denominator(1) / rate if rate else None
    frames = estimate_frames(stream, rate, seconds)
    if found.complete and found.packets and container.format.name == "avi":
        frames = found.packets
    return Extent(rate, seconds, frames, counted=False)


def _frames(found: Survey, rate: Fraction | None, seconds: Fraction | None) -> int:
    shown = len(set(found.times)) or found.packets
    if rate and seconds and shown > 1.5 * float(rate * seconds):
        return max(1, round(seconds * rate))  # two packets a frame, one for each field
    return shown
