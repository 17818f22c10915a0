"""How fast a video runs: the one of the figures in a file that its packets bear out."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

# Beyond this a figure is the unit in which times are counted, not a rate; cameras that are faster store it slower.
_FASTEST = 1000
# Times in milliseconds, and of cameras that wait for light, are this far from the rate that is meant.
_ABOUT = 0.02
_USUAL = tuple(
    Fraction(rate)
    for rate in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "100", "120", "240")
)


def plausible_rate(stream: VideoStream, step: float | None, *, timed: bool) -> Fraction | None:
    """Frames per second, as an average.

    Args:
        stream: what the header and FFmpeg say of it. step: seconds between pictures, counted; None if unknown.
        timed: the format holds times. FFmpeg makes up an average for those that do not.
    """
    stated = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if not timed:
        stated = [*stated[1:], stated[0]]
    known = [Fraction(rate) for rate in stated if rate and rate > 0]
    if step is None or step <= 0:
        return next((rate for rate in known if rate <= _FASTEST), None)
    counted = 1 / step
    if timed and known and stream.frames and stream.average_rate and counted <= _FASTEST and _by_header(stream):
        return Fraction(stream.average_rate)
    # Two fields may count for one frame; what is slower on the whole may begin quickly.
    near = [rate for rate in known if counted / 2.1 < rate < counted * 1.5]
    return near[0] if near else _usual(counted)


def _by_header(stream: VideoStream) -> bool:
    """Whether the average is that of all frames over the whole duration.

    An AVI counts the places of dropped frames as well.
    """
    if stream.container.format.name == "avi" or not stream.duration or not stream.time_base or not stream.average_rate:
        return False
    average = stream.frames / (stream.duration * stream.time_base)
    return abs(average / stream.average_rate - 1) < Fraction(1, 10)


def _usual(rate: float) -> Fraction:
    closest = min(_USUAL, key=lambda usual: abs(float(usual) - rate))
    return closest if abs(float(closest) / rate - 1) < _ABOUT else Fraction(rate).limit_denominator(1000)
