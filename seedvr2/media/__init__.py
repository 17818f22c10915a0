"""Reading and writing pictures and videos, one frame at a time. Knows numpy, not torch: probing a file is cheap."""

from seedvr2.media.formats import result_formats
from seedvr2.media.info import Frame, MediaInfo, Pixels
from seedvr2.media.opening import open_sink, open_source, output_suffix, probe
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source

__all__ = [
    "Frame",
    "MediaInfo",
    "Pixels",
    "Sink",
    "Source",
    "open_sink",
    "open_source",
    "output_suffix",
    "probe",
    "result_formats",
]
