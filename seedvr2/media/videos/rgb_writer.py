"""RGB arrays as planes of RGB, for encoders that lose nothing."""

from __future__ import annotations

import av
import numpy as np
from av.video.format import VideoFormat

from seedvr2.media.info import Pixels
from seedvr2.media.videos.color_tags import FULL, RGB, ColorTags

# The order of the planes in FFmpeg's layouts, by the channels of RGBA.
_ORDER = (1, 2, 0, 3)


class RgbWriter:
    """Converts RGB arrays to tagged frames of planes with full range, without any loss but that of bits.

    Attributes:
        range, matrix: of its frames, in FFmpeg's numbers.
    """

    def __init__(self, tags: ColorTags, layout: str) -> None:
        """`tags`: those of `color_tags.output_tags`. `layout`: one of FFmpeg's `gbrp…le` or `gbrap…le`."""
        self.range, self.matrix = FULL, RGB
        self._tags, self._layout = tags, layout
        parts = VideoFormat(layout).components
        self._channels, peak = len(parts), (1 << parts[0].bits) - 1
        # A table is quicker than arithmetic, and rounds exactly.
        self._codes = np.rint(np.arange(65536.0) * peak / 65535).astype(np.uint16)

    def __call__(self, image: Pixels) -> av.VideoFrame:
        """From (H, W, 3 or 4) uint16; where the layout has transparency and the image none, it is solid."""
        height, width = image.shape[:2]
        frame = av.VideoFrame(width, height, self._layout)
        for plane, channel in zip(frame.planes, _ORDER[: self._channels], strict=True):
            samples = np.zeros((height, plane.line_size // 2), np.uint16)
            solid = channel >= image.shape[2]
            samples[:, :width] = self._codes[-1] if solid else self._codes[image[..., channel]]
            plane.update(samples.tobytes())
        frame.colorspace, frame.color_range = self.matrix, self.range
        frame.color_primaries, frame.color_trc = self._tags.primaries, self._tags.transfer
        return frame
