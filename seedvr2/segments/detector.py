"""Does a shot begin with this frame? Told from small pictures, a few frames later.

A cut that is missed costs a ghost, one too many costs next to nothing, so in doubt there is a cut.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from seedvr2.media.thumbnail import Thumbnail
from seedvr2.segments.likeness import Likeness

# Frames on either side of a cut that are compared with each other. If one pair is alike, what lies between was a flash
# or something that passed, or the same shot came back so soon that it is as well to take it for one.
_SIDE = 4
CONTEXT, LOOKAHEAD = _SIDE, _SIDE - 1  # frames before and behind the one that is judged
# How far apart frames on either side of a cut are at least, and by how much more where neighbours are apart as well.
_UNLIKE, _RESTLESS = 0.28, 0.6
_NOTHING = 5.0  # levels of contrast in an empty picture, at most
_FADED = 0.9  # of the next frame's contrast, at most, while a picture comes or goes
_SHORTEST = 2  # frames of a shot; a single one goes with what follows it


class ShotDetector:
    """Says of each frame whether a shot begins with it, `LOOKAHEAD` frames later.

    Example:
        >>> detector = ShotDetector()
        >>> verdicts = [v for picture in pictures if (v := detector.feed(picture)) is not None] + detector.finish()
    """

    def __init__(self, fed: int = 0, judged: int = 0, last: int | None = None) -> None:
        """Frames are counted from the video's first.

        Args:
            fed: the first one that will be fed, `CONTEXT` before `judged` or earlier where it is not the first of all.
            judged: the first one to give a verdict on.
            last: the one with which the shot before it began.
        """
        self._seen: deque[Likeness] = deque(maxlen=CONTEXT + 1 + LOOKAHEAD)
        self._distances: dict[tuple[int, int], float] = {}
        self._end, self._judged, self._last = fed, judged, last

    def feed(self, picture: Thumbnail) -> bool | None:
        """Takes the next frame (`likeness.small_picture`); the verdict on the one `LOOKAHEAD` before, or None yet."""
        self._seen.append(Likeness(picture))
        self._end += 1
        return self._judge() if self._end - self._judged > LOOKAHEAD else None

    def finish(self) -> list[bool]:
        """The verdicts on the last frames; nothing is fed any more."""
        return [self._judge() for _ in range(self._end - self._judged)]

    def _judge(self) -> bool:
        frame = self._judged
        self._judged += 1
        self._distances = {pair: value for pair, value in self._distances.items() if pair[0] >= frame - CONTEXT}
        begins = self._last is None or (frame - self._last >= _SHORTEST and self._is_cut(frame))
        if begins:
            self._last = frame
        return begins

    def _is_cut(self, frame: int) -> bool:
        # A frame of two shots goes with the one that it is more like.
        if self._mixed(frame):
            return self._later(frame) and self._apart(frame, frame + 1)
        if self._mixed(frame - 1):
            return not self._later(frame - 1) and self._apart(frame - 1, frame)
        return self._apart(frame, frame)

    def _mixed(self, frame: int) -> bool:
        """Whether two shots show in one frame, as where frame rates were converted."""
        known = self._end - len(self._seen) < frame < self._end - 1
        return known and self._at(frame).is_mixture(self._at(frame - 1), self._at(frame + 1))

    def _later(self, frame: int) -> bool:
        """Whether a frame is more like the one behind it than like the one before it."""
        return self._distance(frame - 1, frame) > self._distance(frame, frame + 1)

    def _apart(self, end: int, start: int) -> bool:
        """Whether no frame before `end` is like one from `start` on; there is at most one between."""
        low, high = max(self._end - len(self._seen), end - _SIDE), min(self._end, start + _SIDE)
        over = start - end + 1
        # What moves or flickers does so before and after a cut as well, but for a single jolt.
        befores = [self._distance(at - over, at) for at in range(max(low + over, end - 2), end)]
        afters = [self._distance(at - over, at) for at in range(start + over, min(high, start + over + 2))]
        steps = sorted(befores + afters)
        usual = steps[-2] if len(steps) > 2 else max(steps, default=0.0)
        enough = _UNLIKE + _RESTLESS * usual
        return (
            self._distance(end - 1, start) > enough
            and not self._fades(start, low, high)
            and all(self._distance(a, b) > enough for a in range(low, end) for b in range(start, high))
        )

    def _fades(self, frame: int, first: int, end: int) -> bool:
        """Whether a picture comes out of nothing with this frame, or has become nothing, by and by."""
        if self._contrast(frame - 1) < min(self._contrast(frame), _NOTHING):
            near = range(frame, frame + 3)
        elif self._contrast(frame) < _NOTHING:
            near = range(frame - 1, frame - 4, -1)
        else:
            return False
        return all(
            first <= further < end and self._contrast(nearer) < _FADED * self._contrast(further)
            for nearer, further in pairwise(near)
        )

    def _contrast(self, frame: int) -> float:
        return self._at(frame).contrast

    def _distance(self, a: int, b: int) -> float:
        if (a, b) not in self._distances:
            self._distances[a, b] = self._at(a).distance(self._at(b))
        return self._distances[a, b]

    def _at(self, frame: int) -> Likeness:
        return self._seen[frame - self._end]
