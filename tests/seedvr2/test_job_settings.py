"""What is said about the size of a result."""

from __future__ import annotations

import pytest

from seedvr2.job_settings import shortened, smaller_than_source
from seedvr2.media import MediaInfo
from seedvr2.options import UpscaleOptions


def _info(width: int, height: int) -> MediaInfo:
    return MediaInfo("picture", width, height, 1, None, None, False, 8, "png", "png")


@pytest.mark.parametrize(
    ("size", "asked", "said"),
    [
        ((3840, 2160), {}, True),
        ((2160, 3840), {"resolution": 2159}, False),  # asked for
        ((1920, 1080), {}, False),
        ((640, 360), {}, False),
        ((3840, 2160), {"scale": 1}, False),
        ((3840, 2160), {"max_resolution": 1920}, False),  # asked for, and scale = 1 would not help
        ((3840, 2160), {"max_resolution": 3840}, True),
    ],
)
def test_a_result_that_is_smaller_than_its_source_says_so(
    size: tuple[int, int], asked: dict[str, int], said: bool
) -> None:
    found = list(smaller_than_source(_info(*size), UpscaleOptions.parse(asked)))
    assert len(found) == said
    if said:
        assert f"short edge has {min(size)} pixels, since resolution = " in found[0] and "scale = 1" in found[0]


def test_the_sentence_about_the_largest_edge_names_what_was_asked_for() -> None:
    assert list(shortened(_info(640, 360), UpscaleOptions(scale=20.0))) == []
    (sentence,) = shortened(_info(640, 360), UpscaleOptions(scale=40.0))
    assert sentence.startswith("With scale = 40 the long edge would have more than 16384 pixels")
    (sentence,) = shortened(_info(640, 360), UpscaleOptions(resolution=16384))
    assert sentence.startswith("With resolution = 16384 ")
