"""What came to light of a video while it was decoded, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from seedvr2.media.videos.decoding import Decoder
from seedvr2.media.videos.timing import Clock


def of_decoding(
    decoder: Decoder, clock: Clock, dropped: int, end: int | None, declared: int | None, time_base: Fraction
) -> Iterator[str]:
    """What was damaged, moved or cut off. `dropped`: frames out of place; `end`, `declared`: ticks of the end."""
    if decoder.errors:
        yield f"The file is damaged: {_counted(decoder.errors, 'packet')} could not be decoded and were left out."
    if decoder.corrupt:
        yield f"The file is damaged: {_counted(decoder.corrupt, 'frame')} came out incomplete."
    if dropped:
        yield f"The file is damaged: {_counted(dropped, 'frame')} came out of place and were left out."
    if clock.moved:
        yield f"The times of {_counted(clock.moved, 'frame')} were not in order and had to be moved."
    if end is not None and declared is not None:
        missing, span = (declared - end) * time_base, declared * time_base
        if missing > max(Fraction(1, 2), span / 50):
            shown = f"{float(end * time_base):.1f} of {float(span):.1f} seconds"
            yield f"The video ends after {shown}: the file is cut off or damaged."


def of_shapes(*, resized: bool, barred: bool) -> Iterator[str]:
    """How frames came to have one shape."""
    if resized:
        yield "The frame size changes within the video; all frames were brought to the first one's."
    if barred:
        yield "The shape of the picture changes within the video; where it is not the first one's, it has black bars."


def of_joins(places: int) -> Iterator[str]:
    """Where the clock was set."""
    if places:
        where = _counted(places, "place")
        yield f"The clock of the recording was set at {where}; what comes after follows without a gap."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
