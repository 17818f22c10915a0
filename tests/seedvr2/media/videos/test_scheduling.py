"""An encoder must not put this program above all others of the machine."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext

from seedvr2 import UpscaleOptions
from seedvr2.errors import MediaError
from seedvr2.media import open_sink, open_source
from seedvr2.media.videos.scheduling import keeping_priority

THREADS = Path("/proc/self/task")
CLIP = Path(__file__).parents[4] / "benchmarks" / "assets" / "city.mp4"


def policies() -> set[int]:
    return {os.sched_getscheduler(int(thread.name)) for thread in THREADS.iterdir()}


@pytest.fixture
def ordinary() -> int:
    policy = os.sched_getscheduler(0)
    assert policy == os.SCHED_OTHER
    return policy


def test_threads_of_an_encoder_are_scheduled_as_all_others(ordinary: int) -> None:
    context = CodecContext.create("libsvtav1", "w")
    assert isinstance(context, VideoCodecContext)
    context.width = context.height = 64
    context.pix_fmt, context.time_base = "yuv420p10le", Fraction(1, 25)
    with keeping_priority():
        context.open()
    assert len(list(THREADS.iterdir())) > 3
    assert os.sched_getscheduler(0) == ordinary and policies() == {ordinary}


def test_a_video_in_av1_leaves_the_priority_as_it_was(ordinary: int, tmp_path: Path) -> None:
    options = UpscaleOptions.parse({"profile": "quality", "video_codec": "av1"})
    with open_source(CLIP) as source, suppress(MediaError), open_sink(tmp_path / "out.mp4", source, 64, 64, options):
        assert policies() == {ordinary}
        # Without a frame there is no result.
