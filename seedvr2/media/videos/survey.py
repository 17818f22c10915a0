"""How long a video is and how fast it runs, from its packets: where its header does not say, or cannot be believed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import av

from seedvr2.errors import MediaError
from seedvr2.media.videos.container import has_times, is_clocked, open_container, open_range, pick_video
from seedvr2.media.videos.crossing import LONGEST_GAP, Timed
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.timing import states_length

# What is read of a file that has to be counted: a second's work. The rest is estimated.
_MOST_BYTES, _MOST_PACKETS = 64 << 20, 20_000
# As many pictures show the rate.
_FOR_RATE = 240
# What is so many times as long as usual is a pause.
_PAUSE = 10
# Places of a long recording at which its packets are looked at, and how much of each.
_PLACES, _PLACE_BYTES = 4, 6 << 20


@dataclass(slots=True)
class Survey:
    """What packets say about a video.

    Attributes:
        packets: those of the video that hold something. times: when their pictures are shown, in seconds.
        end: when the last one has been shown, as far as is known. read: bytes up to the last one.
        complete: the packets are all there are.
    """

    packets: int = 0
    times: list[float] = field(default_factory=list)
    end: float = 0.0
    read: int = 0
    complete: bool = False

    @property
    def seconds(self) -> float | None:
        """From the first picture to the end of the last one."""
        if not self.times:
            return None
        return max(self.end, max(self.times) + (self.step or 0.0)) - min(self.times)

    @property
    def step(self) -> float | None:
        """Seconds from one picture to the next, on average, but for long pauses."""
        steps = sorted(later - earlier for earlier, later in pairwise(sorted(set(self.times))))
        if not steps:
            return None
        usual = steps[len(steps) // 2]
        steps = [step for step in steps if step <= max(LONGEST_GAP, _PAUSE * usual)]
        return sum(steps) / len(steps)

    def take(self, item: Timed) -> None:
        """Count a packet of the video."""
        packet = item.packet
        if packet.is_discard:  # before the beginning that an edit list sets
            return
        self.packets += 1
        self.read = max(self.read, packet.pos or 0) + (0 if packet.pos else packet.size)
        stored = packet.pts if packet.pts is not None else packet.dts
        if stored is not None:
            tick = float(packet.time_base)
            time = stored * tick
            self.times.append(time)
            self.end = max(self.end, time + (packet.duration or 0) * tick)


def survey(path: Path) -> Survey:
    """Look at packets from the beginning: all, unless the header tells enough or the file is long.

    Run it under `failures.reading`.
    """
    with closing(open_container(path)) as container:
        stream = pick_video(container, path.name)
        counted = is_clocked(container) or not has_times(container) or not states_length(container, stream)
        # The header of an AVI counts the places of dropped frames as well.
        counted = counted or container.format.name == "avi"
        reader = PacketReader(path, container, stream.index, [stream.index])
        return _survey(reader, _MOST_BYTES if counted else 0)


def sampled_seconds(path: Path, found: Survey) -> float:
    """How long a recording is that is too long to be counted, from its first packets and some in the middle."""
    size = path.stat().st_size
    read, seconds = found.read, found.seconds or 0.0
    for place in range(1, _PLACES + 1):
        start = size * place // (_PLACES + 1)
        try:
            with closing(open_range(path, start, start + _PLACE_BYTES)) as container:
                index = pick_video(container, path.name).index
                part = _survey(PacketReader(path, container, index, [index], parts=1), _MOST_BYTES, _MOST_PACKETS // 10)
        except (av.FFmpegError, MediaError):
            continue  # a format that can only be read from its beginning
        if part.seconds:
            read, seconds = read + (_PLACE_BYTES if part.complete else part.read), seconds + part.seconds
    return seconds * size / read if read else 0.0


def _survey(reader: PacketReader, most: int, packets: int = _MOST_PACKETS) -> Survey:
    found = Survey()
    for item in reader:
        if item is None or not item.packet.size:
            continue
        found.take(item)
        if (found.read > most and found.packets >= _FOR_RATE) or found.packets >= packets:
            break
    else:
        found.complete = True
    return found
